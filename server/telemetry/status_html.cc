#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "server/telemetry/human.h"
#include "server/telemetry/status_page.h"
#include "server/telemetry/status_style.h"
#include "server/telemetry/text.h"

namespace dcac::server {
namespace {

using absl::StrAppend;
using absl::StrCat;

std::string Text(std::string_view text) {
  return HtmlText(text);
}

template <typename Number>
std::string Data(const char* id, Number value, const std::string& text) {
  return StrCat("<data id=\"", id, "\" value=\"", value, "\">", text, "</data>");
}

// `style`: a class of the style sheet, or nothing.
std::string Meter(std::uint64_t part, std::uint64_t whole, std::string_view style = "") {
  const double share = whole == 0 ? 0 : std::min(1.0, static_cast<double>(part) / static_cast<double>(whole));
  return absl::StrFormat("<div class=\"meter\"><i class=\"%s\" style=\"width:%.1f%%\"></i></div>", std::string(style),
                         100 * share);
}

// Of what should not be used up.
std::string LimitMeter(std::uint64_t part, std::uint64_t whole) {
  constexpr double kHigh = 0.9;
  return Meter(part, whole, static_cast<double>(part) > kHigh * static_cast<double>(whole) ? "bad" : "");
}

std::string Tile(std::string_view title, const std::string& value, const std::string& remark,
                 const std::string& meter = "") {
  return StrCat("<section class=\"tile\"><h2>", std::string(title), "</h2><div class=\"big\">", value, "</div><p>",
                remark, "</p>", meter, "</section>\n");
}

std::string Head(const StatusReport& report, std::chrono::seconds refresh) {
  std::string html = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n";
  StrAppend(&html, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
  if (refresh.count() > 0) StrAppend(&html, "<meta http-equiv=\"refresh\" content=\"", refresh.count(), "\">\n");
  // Without an icon of its own the browser would ask the server for one.
  StrAppend(&html,
            "<link rel=\"icon\" href=\"data:,\">\n<title>dcac-server: ", report.live.serving ? "serving" : "draining",
            "</title>\n<style>", kStatusStyle, "</style>\n</head>\n<body>\n");
  return html;
}

std::string RefreshLinks(std::chrono::seconds refresh) {
  struct Choice {
    int seconds;
    const char* text;
  };
  constexpr std::array<Choice, 3> kChoices = {{{0, "off"}, {5, "5 s"}, {30, "30 s"}}};
  std::string html = "<nav aria-label=\"Refresh\"><span>Refresh</span>";
  for (const Choice& choice : kChoices) {
    const std::string query = choice.seconds == 0 ? "" : StrCat("?refresh=", choice.seconds);
    StrAppend(&html, "<a href=\"/statusz", query, "\"",
              choice.seconds == refresh.count() ? " aria-current=\"page\"" : "", ">", choice.text, "</a>");
  }
  return html + "</nav>\n";
}

std::string Title(const StatusReport& report) {
  const LiveState& live = report.live;
  std::string html = "<div><h1>dcac-server ";
  StrAppend(&html,
            live.serving ? "<span class=\"pill good\">serving</span>" : "<span class=\"pill warn\">draining</span>",
            "</h1>\n<p class=\"facts\">version ", Text(report.build.version));
  if (report.build.revision != "unknown") StrAppend(&html, " (", Text(report.build.revision), ")");
  StrAppend(&html, " · ", Text(report.build.simd_target), " · up ",
            Data("uptime_ms", live.uptime.count(), HumanDuration(live.uptime)), " since ",
            absl::FormatTime("%Y-%m-%d %H:%M UTC", absl::FromChrono(live.start), absl::UTCTimeZone()));
  for (const std::string& address : report.addresses) StrAppend(&html, " · <code>", Text(address), "</code>");
  return html + "</p></div>\n";
}

std::string Tiles(const LiveState& live) {
  const auto count = [](const char* id, std::uint64_t value) { return Data(id, value, HumanCount(value)); };
  const auto bytes = [](const char* id, std::uint64_t value) {
    return Data(id, value, HumanBytes(static_cast<double>(value)));
  };
  const double uptime_ms = static_cast<double>(std::max<std::int64_t>(1, live.uptime.count()));
  std::string html = "<div class=\"tiles\">\n";
  StrAppend(&html,
            Tile("Open calls", count("open_calls", live.open_calls),
                 StrCat("of ", count("max_calls", live.max_calls), "; ", count("waiting_callers", live.waiting_callers),
                        " callers in line"),
                 LimitMeter(live.open_calls, live.max_calls)),
            Tile("Memory budget", bytes("reserved_bytes", live.reserved_bytes),
                 StrCat("reserved of ", bytes("budget_bytes", live.budget_bytes)),
                 LimitMeter(live.reserved_bytes, live.budget_bytes)),
            Tile("Busy threads", count("busy_threads", live.busy_threads),
                 StrCat("of ", Data("threads", live.threads, StrCat(live.threads)), "; ",
                        count("queued_tasks", live.queued_tasks), " tasks wait"),
                 Meter(live.busy_threads, static_cast<std::uint64_t>(live.threads))));
  StrAppend(&html, Tile("Store", bytes("store_stored_bytes", live.store.stored_bytes),
                        StrCat("of ", count("store_objects", live.store.objects), " objects; ",
                               count("store_damaged_objects", live.store.damaged_objects), " damaged; ",
                               count("store_open_uploads", live.store.open_uploads), " uploads")));
  StrAppend(&html,
            Tile("Process memory", bytes("rss_bytes", live.rss_bytes),
                 StrCat("at most ", bytes("peak_rss_bytes", live.peak_rss_bytes))),
            Tile("Processor time", Data("cpu_ms", live.cpu_ms, HumanDuration(std::chrono::milliseconds(live.cpu_ms))),
                 absl::StrFormat("%.2f processors", static_cast<double>(live.cpu_ms) / uptime_ms)),
            Tile("Open files", count("open_fds", live.open_fds), StrCat("of ", count("max_fds", live.max_fds))),
            "</div>\n");
  return html;
}

// One point for each interval, the newest at the right; `max` touches the upper edge.
std::string Chart(const std::vector<double>& rates, double max) {
  constexpr double kWidth = 300, kHeight = 80;
  std::string points;
  for (std::size_t i = 0; i < rates.size(); ++i) {
    const double x = rates.size() > 1 ? kWidth * static_cast<double>(i) / static_cast<double>(rates.size() - 1) : 0;
    absl::StrAppendFormat(&points, " %.1f,%.1f", x, kHeight - (max > 0 ? (kHeight - 2) * rates[i] / max : 0));
  }
  return absl::StrFormat(
      "<svg class=\"chart\" viewBox=\"0 0 %.0f %.0f\" preserveAspectRatio=\"none\" aria-hidden=\"true\">"
      "<polygon class=\"area\" points=\"0,%.0f%s %.0f,%.0f\"/><polyline class=\"edge\" points=\"%s\"/></svg>\n",
      kWidth, kHeight, kHeight, points, kWidth, kHeight, points.empty() ? "" : points.substr(1));
}

std::string ThroughputCard(const char* style, const char* title, const std::vector<double>& rates,
                           const std::string& total) {
  const double max = rates.empty() ? 0 : *std::ranges::max_element(rates);
  return StrCat("<section class=\"card ", style, "\"><h2>", title, "<small>", total, " in all</small></h2>\n",
                "<div class=\"big\">", HumanBytes(rates.empty() ? 0 : rates.back()), "/s</div>\n", Chart(rates, max),
                "<div class=\"axis\"><span>5 min ago</span><span>peak ", HumanBytes(max),
                "/s</span><span>now</span></div></section>\n");
}

std::string Throughputs(const StatusReport& report) {
  const auto total = [](const char* id, std::uint64_t value) {
    return Data(id, value, HumanBytes(static_cast<double>(value)));
  };
  return StrCat("<div class=\"pair\">\n",
                ThroughputCard("received", "Received", report.received_per_second,
                               total("received_bytes", report.live.received_bytes)),
                ThroughputCard("sent", "Sent", report.sent_per_second, total("sent_bytes", report.live.sent_bytes)),
                "</div>\n");
}

double Ratio(const DTypeTotals& totals) {
  return totals.stored_bytes == 0 ? 0
                                  : static_cast<double>(totals.raw_bytes) / static_cast<double>(totals.stored_bytes);
}

std::string DTypeCard(const std::vector<DTypeTotals>& dtypes) {
  std::string html = "<section class=\"card\"><h2>Ratio by sample type</h2>\n";
  if (dtypes.empty()) return html + "<p class=\"empty\">No tensor has passed yet.</p></section>\n";
  StrAppend(&html, "<div class=\"scroll\"><table id=\"dtypes\"><thead><tr><th>Type</th><th>Direction</th>",
            "<th class=\"number\">Calls</th><th class=\"number\">Raw</th><th class=\"number\">Stored</th>",
            "<th class=\"number\">Ratio</th></tr></thead><tbody>\n");
  for (const DTypeTotals& totals : dtypes) {
    StrAppend(&html, "<tr><td><b>", Text(totals.dtype), "</b></td><td>", Text(totals.direction),
              "</td><td class=\"number\">", HumanCount(totals.calls), "</td><td class=\"number\">",
              HumanBytes(static_cast<double>(totals.raw_bytes)), "</td><td class=\"number\">",
              HumanBytes(static_cast<double>(totals.stored_bytes)),
              absl::StrFormat("</td><td class=\"number\"><b>%.3f</b></td></tr>\n", Ratio(totals)));
  }
  return html + "</tbody></table></div></section>\n";
}

// Whose fault it is, as far as the code tells.
std::string_view CodeStyle(std::string_view code) {
  if (code == "OK") return "good";
  return code == "INTERNAL" || code == "UNKNOWN" || code == "DATA_LOSS" ? "bad" : "warn";
}

std::string CodeCard(const std::vector<std::pair<std::string, std::uint64_t>>& codes) {
  std::string html = "<section class=\"card\"><h2>Ended calls by code</h2>\n";
  if (codes.empty()) return html + "<p class=\"empty\">No call has ended yet.</p></section>\n";
  std::uint64_t all = 0;
  for (const auto& [code, calls] : codes) all += calls;
  StrAppend(&html, "<div class=\"scroll\"><table id=\"codes\"><thead><tr><th>Code</th><th class=\"number\">Calls</th>",
            "<th>Share</th></tr></thead><tbody>\n");
  for (const auto& [code, calls] : codes) {
    StrAppend(&html, "<tr><td class=\"code ", std::string(CodeStyle(code)), "\">", Text(code),
              "</td><td class=\"number\">", HumanCount(calls), "</td><td class=\"wide\">",
              Meter(calls, all, CodeStyle(code)), "</td></tr>\n");
  }
  return html + "</tbody></table></div></section>\n";
}

std::string CallRow(const CallRecord& call) {
  const auto bytes = [](std::uint64_t value) { return value == 0 ? "" : HumanBytes(static_cast<double>(value)); };
  return StrCat("<tr><td class=\"number\"><b>", HumanDuration(call.duration), "</b></td><td>", std::string(call.method),
                "</td><td class=\"code ", std::string(CodeStyle(call.code)), "\">", Text(call.code), "</td><td>",
                Text(call.dtype), "</td><td class=\"number\">", call.level ? StrCat(*call.level) : "") +
         StrCat("</td><td class=\"number\">", bytes(call.raw_bytes), "</td><td class=\"number\">",
                bytes(call.stored_bytes), "</td><td class=\"name\" title=\"", Text(call.caller), "\">",
                Text(call.caller), "</td><td class=\"name\">", Text(call.tenant), "</td><td class=\"code\">",
                Text(call.request_id), "</td><td class=\"number\">",
                absl::FormatTime("%H:%M:%S", absl::FromChrono(call.end), absl::UTCTimeZone()), "</td></tr>\n");
}

std::string SlowCard(const std::vector<CallRecord>& calls) {
  std::string html = "<section class=\"card\"><h2>Slowest calls<small>of the last 10 minutes</small></h2>\n";
  if (calls.empty()) return html + "<p class=\"empty\">None has ended lately.</p></section>\n";
  StrAppend(&html, "<div class=\"scroll\"><table id=\"slowest\"><thead><tr><th class=\"number\">Duration</th>",
            "<th>Method</th><th>Code</th><th>Type</th><th class=\"number\">Level</th><th class=\"number\">Raw</th>",
            "<th class=\"number\">Stored</th><th>Caller</th><th>Tenant</th><th>Request</th>",
            "<th class=\"number\">Ended, UTC</th></tr></thead><tbody>\n");
  for (const CallRecord& call : calls) html += CallRow(call);
  return html + "</tbody></table></div></section>\n";
}

std::string SettingsCard(const std::vector<std::pair<std::string, std::string>>& settings) {
  if (settings.empty()) return "";
  std::string html = "<section class=\"card\"><h2>Settings</h2>\n<dl class=\"settings\">\n";
  for (const auto& [key, value] : settings) {
    StrAppend(&html, "<div><dt class=\"code\">", Text(key), "</dt><dd class=\"code\">", Text(value), "</dd></div>\n");
  }
  return html + "</dl></section>\n";
}

}  // namespace

std::string StatusHtml(const StatusReport& report, std::chrono::seconds refresh) {
  return Head(report, refresh) + "<header>\n" + Title(report) + RefreshLinks(refresh) + "</header>\n<main>\n" +
         Tiles(report.live) + Throughputs(report) + "<div class=\"pair\">\n" + DTypeCard(report.dtypes) +
         CodeCard(report.calls_by_code) + "</div>\n" + SlowCard(report.slowest_calls) + SettingsCard(report.settings) +
         "</main>\n<footer><a href=\"/statusz?format=json\">This page as JSON</a><a href=\"/metrics\">Metrics</a>"
         "<a href=\"/healthz\">Health</a></footer>\n</body>\n</html>\n";
}

}  // namespace dcac::server
