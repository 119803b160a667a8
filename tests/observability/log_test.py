#!/usr/bin/env python3
"""log_test.py DCAC_SERVER DCAC [TEST...]: the lines that a server writes."""
import json
import re
import subprocess
import sys

import grpc

from watched_server import WatchedServerTest

TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
PARENT = '00f067aa0ba902b7'
FIELD = re.compile(r'([a-z_]+)=("(?:[^"\\]|\\.)*"|[^ "=]+)(?: |$)')


def fields(line):
    """Of a line in logfmt, all of which must be fields."""
    assert FIELD.sub('', line) == '', line
    return {key: json.loads(value) if value.startswith('"') else value for key, value in FIELD.findall(line)}


class LogTest(WatchedServerTest):
    def test_each_call_is_a_line(self):
        server = self.start()
        server.compress_some(self.dcac)
        call = fields(server.wait_for_line('method=Decompress '))
        self.assertEqual((call['level'], call['event'], call['code']), ('info', 'call', 'OK'))
        call = fields(server.wait_for_line('method=Compress '))
        self.assertRegex(call['time'], r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$')
        self.assertRegex(call['request_id'], r'^[0-9a-f]{16}$')
        self.assertEqual((call['dtype'], call['codec_level']), ('u8', '5'))
        self.assertGreater(int(call['raw_bytes']), int(call['stored_bytes']))
        self.assertGreater(float(call['duration_ms']), 0)
        self.assertIn('peer', call)

    def test_the_client_gets_the_request_id(self):
        server = self.start()
        _, call = server.channel.unary_unary('/dcac.v1.CompressionService/GetCapabilities').with_call(
            b'', timeout=60, wait_for_ready=True)
        request_id = dict(call.initial_metadata())['dcac-request-id']
        self.assertEqual(fields(server.wait_for_line('GetCapabilities'))['request_id'], request_id)

    def test_traces_are_passed_on(self):
        server = self.start()
        server.capabilities(traceparent=f'00-{TRACE}-{PARENT}-01', tracestate='vendor=1')
        call = fields(server.wait_for_line('GetCapabilities'))
        self.assertEqual((call['trace_id'], call['parent_id'], call['trace_flags'], call['tracestate']),
                         (TRACE, PARENT, '01', 'vendor=1'))
        self.assertRegex(call['span_id'], r'^[0-9a-f]{16}$')
        self.assertNotEqual(call['span_id'], PARENT)

    def test_what_is_no_trace_is_left_out(self):
        server = self.start()
        server.capabilities(traceparent=f'00-{"0" * 32}-{PARENT}-01', tracestate='vendor=1')
        self.assertNotRegex(server.wait_for_line('GetCapabilities'), 'trace')

    def test_names_cannot_forge_lines(self):
        server = self.start()
        server.capabilities(dcac_caller='x" level=error event="forged')
        call = fields(server.wait_for_line('GetCapabilities'))
        self.assertEqual((call['level'], call['caller']), ('info', 'x" level=error event="forged'))

    def test_lines_may_be_json(self):
        server = self.start('--log-format=json')
        server.capabilities(dcac_caller='a "b"')
        call = json.loads(server.wait_for_line('GetCapabilities'))
        self.assertEqual((call['event'], call['caller'], call['code']), ('call', 'a "b"', 'OK'))
        server.terminate()
        self.assertEqual(json.loads(server.wait_for_line('"draining"'))['signal'], 15)

    def test_levels_below_are_left_out(self):
        server = self.start('--log-level=warning')
        server.capabilities()
        server.wait_for_calls(1)
        server.terminate()
        self.assertEqual(server.wait(), 0)
        self.assertEqual(server.lines('event='), [])

    def test_refused_calls_are_summed_up_and_tokens_are_not_logged(self):
        tokens = self.start().folder / 'tokens'
        made = subprocess.run([self.program, 'new-token', '--name=a', '--tenant=vision', '--scopes=read'], check=True,
                              capture_output=True, text=True)
        tokens.write_text(made.stdout)
        tokens.chmod(0o600)
        token = re.search(r'\S+$', made.stderr.strip()).group()
        server = self.start(f'--token-file={tokens}')
        for _ in range(100):
            with self.assertRaises(grpc.RpcError):
                server.capabilities(authorization='Bearer wrong-and-secret')
        server.capabilities(authorization=f'Bearer {token}')
        self.assertEqual(fields(server.wait_for_line('code=OK'))['tenant'], 'vision')
        server.terminate()
        self.assertEqual(server.wait(), 0)
        server.wait_for_line('event=stopped')
        refused = server.lines('code=UNAUTHENTICATED')
        self.assertEqual(fields(refused[0])['refused'], 'authentication')
        more = sum(int(fields(line)['count']) for line in server.lines('more_of_the_same kind=authentication'))
        self.assertEqual(len(refused) + more, 100)
        self.assertEqual(server.lines(f'secret|{re.escape(token)}'), [])


if __name__ == '__main__':
    LogTest.run_all(sys.argv)
