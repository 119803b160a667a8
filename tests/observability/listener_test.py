#!/usr/bin/env python3
"""listener_test.py DCAC_SERVER DCAC [TEST...]: what the metrics listener and gRPC's own services tell of a server."""
import re
import subprocess
import sys

import grpc

from watched_server import HUNG_SECONDS, SERVICE, WatchedServerTest

# grpc.health.v1.HealthCheckResponse: field 1 is the status.
SERVING, NOT_SERVING = b'\x08\x01', b'\x08\x02'
HEALTH = '/grpc.health.v1.Health/'
CHANNELZ = '/grpc.channelz.v1.Channelz/GetServers'


class ListenerTest(WatchedServerTest):
    def value(self, text, name, **labels):
        """Of one line of /metrics."""
        for line in text.splitlines():
            match = re.fullmatch(rf'{name}(?:\{{(.*)\}})? (\S+)', line)
            found = dict(re.findall(r'(\w+)="([^"]*)"', match[1] or '')) if match else {}
            if match and labels.items() <= found.items():
                return float(match[2])
        self.fail(f'no {name} with {labels}')

    def test_metrics_tell_of_calls(self):
        server = self.start()
        server.compress_some(self.dcac)
        server.capabilities()
        server.wait_for_calls(5)
        status, headers, text = server.get('/metrics')
        self.assertEqual(status, 200)
        self.assertRegex(headers['Content-Type'], r'^text/plain; version=0\.0\.4')
        raw = self.value(text, 'dcac_server_raw_bytes_total', direction='compress', dtype='u8', level='5')
        stored = self.value(text, 'dcac_server_stored_bytes_total', direction='compress', dtype='u8', level='5')
        self.assertEqual(raw, self.value(text, 'dcac_server_raw_bytes_total', direction='decompress', dtype='u8'))
        self.assertGreater(raw, stored)
        for direction in 'compress', 'decompress':
            self.assertGreater(self.value(text, 'dcac_server_segment_duration_seconds_count', direction=direction), 0)
        self.assertGreater(self.value(text, 'dcac_server_stage_duration_seconds_sum', stage='work'), 0)
        self.assertEqual(self.value(text, 'dcac_server_calls_total', method='GetCapabilities', code='OK'), 1)
        self.assertGreater(self.value(text, 'dcac_server_received_bytes_total'), raw)
        self.assertGreater(self.value(text, 'process_resident_memory_bytes'), 1e6)
        self.assertGreater(self.value(text, 'process_open_fds'), 3)

    def test_refused_calls_have_a_reason(self):
        server = self.start('--budget-bytes=1000')
        # Twelve million bytes of a type of one byte: CompressTensorRequest.spec, and no data.
        spec = b'\x08\x01\x12\x04\x80\xb6\xdc\x05\x18\x05'
        with self.assertRaises(grpc.RpcError) as caught:
            list(server.channel.stream_stream(SERVICE + 'Compress')(
                iter([b'\x0a' + bytes([2 + len(spec)]) + b'\x0a' + bytes([len(spec)]) + spec]), timeout=HUNG_SECONDS))
        self.assertEqual(caught.exception.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
        server.wait_for_calls(1)
        self.assertEqual(self.value(server.metrics(), 'dcac_server_refused_calls_total', reason='limit'), 1)

    def test_status_page_and_json_agree(self):
        server = self.start()
        server.compress_some(self.dcac)
        server.wait_for_calls(4)
        json = server.status()
        self.assertEqual(json['calls_by_code'], {'OK': 4})
        self.assertEqual([(t['dtype'], t['direction'], t['calls']) for t in json['dtypes']],
                         [('u8', 'compress', 2), ('u8', 'decompress', 2)])
        self.assertEqual(len(json['slowest_calls']), 4)
        page = server.get('/statusz')[2]
        for id in 'budget_bytes', 'max_calls', 'threads', 'received_bytes', 'sent_bytes':
            self.assertIn(f'<data id="{id}" value="{json[id]}">', page)

    def test_hostile_names_stay_text(self):
        server = self.start()
        server.capabilities(dcac_caller='<script>alert(1)</script>"\'')
        server.wait_for_calls(1)
        self.assertEqual(server.status()['slowest_calls'][0]['caller'], '<script>alert(1)</script>"\'')
        _, headers, page = server.get('/statusz')
        self.assertNotIn('<script', page)
        self.assertIn('&lt;script&gt;', page)
        self.assertIn("default-src 'none'", headers['Content-Security-Policy'])
        self.assertNotIn('<script', server.metrics())

    def test_settings_are_shown_without_secrets(self):
        tokens = self.start().folder / 'tokens'
        tokens.write_text(subprocess.run([self.program, 'new-token', '--name=a', '--tenant=t', '--scopes=read'], check=True,
                                         capture_output=True, text=True).stdout)
        tokens.chmod(0o600)
        server = self.start(f'--token-file={tokens}', '--threads=2')
        settings = server.status()['settings']
        self.assertEqual(settings['threads'], '2')
        self.assertEqual(settings['token_file'], 'set')
        self.assertEqual(settings['tls_key_file'], 'not set')
        for text in server.get('/statusz')[2], server.get('/statusz?format=json')[2]:
            self.assertNotIn(str(tokens), text)

    def test_unknown_pages_and_methods(self):
        server = self.start()
        self.assertEqual(server.get('/')[0], 404)
        self.assertEqual(server.get('/metrics/../etc/passwd')[0], 404)
        for method in 'POST', 'PUT', 'DELETE', 'OPTIONS':
            status, headers, _ = server.get('/metrics', method)
            self.assertEqual((status, headers['Allow']), (405, 'GET, HEAD'))
        self.assertEqual(server.get('/statusz?refresh=-1')[0], 200)
        self.assertIn('http-equiv="refresh" content="5"', server.get('/statusz?refresh=5')[2])

    def test_health_is_told_everywhere(self):
        server = self.start(lame_duck_ms=60000)
        self.assertEqual(server.get('/healthz')[::2], (200, 'serving\n'))
        self.assertEqual(server.call(HEALTH + 'Check'), SERVING)
        watch = server.channel.unary_stream(HEALTH + 'Watch')(b'', timeout=HUNG_SECONDS)
        self.assertEqual(next(watch), SERVING)
        server.terminate()
        self.assertEqual(next(watch), NOT_SERVING)
        watch.cancel()
        self.assertEqual(server.get('/healthz')[::2], (503, 'not serving\n'))
        self.assertEqual(self.value(server.metrics(), 'dcac_server_serving'), 0)
        self.assertIn('draining', server.get('/statusz')[2])

    def test_channelz_where_it_is_configured(self):
        with self.assertRaises(grpc.RpcError) as caught:
            self.start().call(CHANNELZ)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.UNIMPLEMENTED)
        self.assertGreater(len(self.start('--channelz').call(CHANNELZ)), 2)

    def test_others_are_let_in_only_when_told(self):
        options = [f'--listen=unix:{self.start().folder}/other', '--check-config']
        for address in '0.0.0.0:0', '[::]:0', 'example.invalid:9464':
            command = [self.program, *options, f'--metrics-listen={address}']
            refused = subprocess.run(command, capture_output=True, text=True, timeout=HUNG_SECONDS)
            self.assertEqual(refused.returncode, 2)
            self.assertIn('--metrics-allow-remote', refused.stderr)
            subprocess.run([*command, '--metrics-allow-remote'], check=True, timeout=HUNG_SECONDS)
        unix = subprocess.run([self.program, *options, '--metrics-listen=unix:/tmp/x'], capture_output=True, text=True,
                              timeout=HUNG_SECONDS)
        self.assertEqual(unix.returncode, 2)
        self.assertIn('expected HOST:PORT', unix.stderr)

    def test_port_in_use_ends_the_start(self):
        server = self.start()
        port = server.url.rsplit(':', 1)[1]
        second = subprocess.run([self.program, f'--listen=unix:{server.folder}/other', f'--metrics-listen=127.0.0.1:{port}'],
                                capture_output=True, text=True, timeout=HUNG_SECONDS)
        self.assertEqual(second.returncode, 1)
        self.assertIn(f'cannot listen on 127.0.0.1:{port}: Address already in use', second.stderr)


if __name__ == '__main__':
    ListenerTest.run_all(sys.argv)
