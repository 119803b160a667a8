// Settings as text: what is in effect, a sample file, a table for the documentation.
#ifndef DCAC_SERVER_CONFIG_TEXT_H_
#define DCAC_SERVER_CONFIG_TEXT_H_

#include <string>

#include "server/setting_sources.h"

namespace dcac::server {

// A configuration file that says the same, each value with where it came from as a comment.
std::string EffectiveConfig(const LoadedSettings& settings);

// A configuration file with every key and its default, all commented out.
std::string SampleConfig();

// A table in Markdown.
std::string SettingsTable();

}  // namespace dcac::server

#endif  // DCAC_SERVER_CONFIG_TEXT_H_
