#!/usr/bin/env python3
"""status_page_test.py DCAC_SERVER DCAC [TEST...]: opens /statusz in headless Chromium.

Exit status 77 (skipped) where no Chromium is installed.  With DCAC_SCREENSHOTS=FOLDER it leaves pictures there.
"""
import os
import pathlib
import sys

import chromium
from watched_server import SERVICE, WatchedServerTest

WIDTHS = 1280, 390
HOSTILE = '<img src=x onerror="document.title=1">'


class StatusPageTest(WatchedServerTest):
    def setUp(self):
        self.browser = self.enterContext(chromium.Chromium())

    def picture(self, name):
        if folder := os.environ.get('DCAC_SCREENSHOTS'):
            self.browser.screenshot(pathlib.Path(folder) / f'{name}.png')

    def busy_server(self):
        server = self.start('--threads=2')
        for _ in range(3):
            server.compress_some(self.dcac)
        server.capabilities(dcac_caller=HOSTILE)
        server.capabilities(dcac_caller='a-name-of-sixty-four-characters-which-is-the-longest-that-counts')
        server.wait_for_calls(14)
        return server

    def check_page(self, url, width, dark):
        self.browser.open(url, width, dark=dark)
        self.assertEqual(self.browser.complaints(), [])
        self.assertLessEqual(self.browser.evaluate('document.documentElement.scrollWidth'), width)
        # Whatever lies beyond the edge can be scrolled to within its own box.
        outside = self.browser.evaluate(
            '[...document.querySelectorAll("main *, header *, footer *")].filter(e => !e.closest(".scroll") &&'
            f' e.getBoundingClientRect().right > {width}).map(e => e.outerHTML)')
        self.assertEqual(outside, [])
        self.assertEqual([u for u in self.browser.requested_urls() if not u.startswith(('data:', url))], [])

    def test_fits_wide_and_narrow_screens(self):
        url = self.busy_server().url + '/statusz'
        for width in WIDTHS:
            for dark in False, True:
                with self.subTest(width=width, dark=dark):
                    self.check_page(url, width, dark)
                    self.picture(f'{width}-{"dark" if dark else "light"}')

    def test_shows_the_numbers_of_the_json(self):
        server = self.busy_server()
        self.browser.open(server.url + '/statusz', WIDTHS[0])
        shown = self.browser.evaluate('Object.fromEntries([...document.querySelectorAll("data")].map(e => [e.id, e.value]))')
        json = server.status()
        changing = {'uptime_ms', 'cpu_ms', 'rss_bytes', 'peak_rss_bytes', 'open_fds', 'busy_threads'}
        self.assertGreater(len(shown), 12)
        self.assertLessEqual(shown.keys(), json.keys())
        for key in shown.keys() - changing:
            self.assertEqual(shown[key], str(json[key]), key)
        rows = {table: self.browser.evaluate(f'document.querySelectorAll("#{table} tbody tr").length')
                for table in ('dtypes', 'codes', 'slowest')}
        self.assertEqual(rows, {'dtypes': len(json['dtypes']), 'codes': len(json['calls_by_code']),
                                'slowest': len(json['slowest_calls'])})
        ratio = json['dtypes'][0]['raw_bytes'] / json['dtypes'][0]['stored_bytes']
        self.assertIn(f'{ratio:.3f}', self.browser.evaluate('document.querySelector("#dtypes").textContent'))
        slowest = self.browser.evaluate('document.querySelector("#slowest").textContent')
        for call in json['slowest_calls']:
            self.assertIn(call['request_id'], slowest)

    def test_hostile_names_are_text(self):
        server = self.busy_server()
        self.browser.open(server.url + '/statusz', WIDTHS[0])
        self.assertEqual(self.browser.evaluate('document.title'), 'dcac-server: serving')
        self.assertEqual(self.browser.evaluate('document.images.length'), 0)
        self.assertIn(HOSTILE, self.browser.evaluate('document.querySelector("#slowest").textContent'))

    def test_fresh_and_draining_servers_have_a_page(self):
        server = self.start(lame_duck_ms=60000)
        self.check_page(server.url + '/statusz', WIDTHS[1], False)
        self.assertIn('No tensor has passed yet', self.browser.evaluate('document.body.textContent'))
        self.picture('fresh')
        server.terminate()
        server.wait_for_line('event=draining')
        self.browser.open(server.url + '/statusz', WIDTHS[1])
        self.assertEqual(self.browser.evaluate('document.querySelector(".pill").textContent'), 'draining')

    def test_scripts_would_not_run(self):
        server = self.start()
        self.browser.open(server.url + '/statusz', WIDTHS[0])
        self.browser.evaluate('{const s = document.createElement("script"); s.textContent = "document.title = 1";'
                              ' document.head.append(s)}')
        self.assertEqual(self.browser.evaluate('document.title'), 'dcac-server: serving')


if __name__ == '__main__':
    if chromium.PROGRAM is None:
        print('SKIP: no chromium, chromium-browser or google-chrome is installed', file=sys.stderr)
        sys.exit(77)
    StatusPageTest.run_all(sys.argv)
