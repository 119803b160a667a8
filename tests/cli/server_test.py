#!/usr/bin/env python3
"""server_test.py DCAC DCAC_SERVER [TEST...]: verbs that use a server, with a real one."""
import json
import os
import subprocess
import sys
import unittest

import cli_test
from cli_test import CORRUPT, SERVER, USAGE, CliTest

DCAC_SERVER = None


class ServerTest(CliTest):
    def setUp(self):
        super().setUp()
        self.address = f'unix:{self.folder}/socket'
        self.process = subprocess.Popen([DCAC_SERVER, f'--listen={self.address}', '--lame-duck-ms=0'],
                                        stderr=subprocess.PIPE)
        self.addCleanup(self.stop_server)
        # Says where it listens, or why it does not.
        while not (line := self.process.stderr.readline()).startswith(b'dcac-server: '):
            self.assertTrue(line)
        self.environment = {'DCAC_SERVER': self.address}

    def stop_server(self):
        if self.process.returncode is None:
            self.process.terminate()
            self.process.communicate()

    def received_bytes(self):
        return json.loads(self.dcac('status', '--json', environment=self.environment)[0])['received_bytes']

    def test_files_of_a_server_are_those_of_this_process(self):
        names = [f'{i}.npy' for i in range(4)]
        for i, name in enumerate(names):
            self.write_map(name, shape=(1, 8, 16 + i, 16))
        originals = {name: self.read(name) for name in names}
        self.dcac('compress', '-q', *names)
        here = {name: self.read(f'{name}.dcac') for name in names}
        results = self.dcac('compress', '-f', '--json', '--threads=4', f'--server={self.address}', *names)[0]
        self.assertEqual([json.loads(line)['file'] for line in results.splitlines()], names)
        self.assertEqual({name: self.read(f'{name}.dcac') for name in names}, here)
        self.dcac('test', '-q', f'--server={self.address}', *[f'{name}.dcac' for name in names])
        self.dcac('decompress', '-q', '-f', f'--server={self.address}', *[f'{name}.dcac' for name in names])
        self.assertEqual({name: self.read(name) for name in names}, originals)

    def test_list(self):
        self.write_map()
        self.dcac('compress', '-q', 'a.npy')
        here, there = (json.loads(self.dcac('list', '--json', *options, 'a.npy.dcac')[0])
                       for options in ([], [f'--server={self.address}']))
        self.assertEqual(there, here)
        self.dcac('list', '-v', f'--server={self.address}', 'a.npy.dcac')

    def test_environment_names_the_server(self):
        self.write_map()
        self.dcac('compress', '-q', 'a.npy', environment=self.environment)
        self.assertGreater(self.received_bytes(), 2048)
        self.dcac('compress', '-q', '-f', 'a.npy', environment={'DCAC_SERVER': 'unix:/nonexistent/socket'}, expect=SERVER)

    def test_codec_may_stay_in_this_process(self):
        self.write_map()
        self.dcac('compress', '-q', '--codec=client', f'--server={self.address}', 'a.npy')
        self.assertEqual(self.received_bytes(), 0)
        here = self.read('a.npy.dcac')
        self.dcac('compress', '-q', '-f', '--codec=auto', f'--server={self.address}', 'a.npy', 'a.npy')
        self.assertEqual(self.read('a.npy.dcac'), here)
        self.dcac('compress', '--codec=other', f'--server={self.address}', 'a.npy', expect=USAGE)

    def test_servers_that_are_away_are_passed_over(self):
        self.write_map()
        self.dcac('compress', '-q', f'--server=unix:{self.folder}/away,{self.address}', 'a.npy')

    def test_damage_ends_with_3(self):
        self.write_map()
        self.dcac('compress', '-q', 'a.npy')
        data = bytearray(self.read('a.npy.dcac'))
        data[len(data) // 2] ^= 1
        self.write('a.npy.dcac', data)
        self.dcac('test', '-q', f'--server={self.address}', 'a.npy.dcac', expect=CORRUPT)

    def test_health(self):
        self.assertEqual(self.dcac('health', f'--server={self.address}')[0].decode(), f'{self.address}: serving\n')
        self.assertEqual(json.loads(self.dcac('health', '--json', f'--server={self.address}')[0])['serving'], True)
        self.assertEqual(self.dcac('health', '-q', environment=self.environment)[0], b'')
        self.dcac('health', expect=USAGE)
        self.stop_server()
        stderr = self.dcac('health', '--timeout=200', f'--server={self.address}', expect=SERVER)[1]
        self.assertRegex(stderr, r'\Adcac: unix:[^\n]+ no healthy server answered within 200 ms[^\n]*\n\Z')

    def test_status(self):
        self.write_map()
        self.dcac('compress', '-q', 'a.npy', environment=self.environment)
        status = json.loads(self.dcac('status', '--json', environment=self.environment)[0])
        self.assertTrue(status['serving'])
        self.assertEqual(status['server'], self.address)
        self.assertGreater(status['rss_bytes'], 1 << 20)
        self.assertGreater(status['max_tensor_bytes'], 0)
        self.assertRegex(self.dcac('status', environment=self.environment)[0].decode(),
                         r'\Aunix:\S+: serving, up [^\n]+\n +load +now +most +limit\n +open calls ')
        self.stop_server()
        stdout, stderr = self.dcac('status', '--json', '--timeout=200', f'--server={self.address}', expect=SERVER)
        self.assertEqual(json.loads(stdout)['status'], 'UNAVAILABLE')
        self.assertRegex(stderr, r'\Adcac: unix:[^\n]+\n\Z')

    def test_credentials_are_checked_before_anything_is_done(self):
        self.write('token', b'secret\n')
        self.write('no-pem', b'x')
        for options in (['--tls-ca=none'], ['--tls-ca=no-pem'], ['--tls-cert=no-pem'], ['--token-file=none']):
            with self.subTest(options):
                for verb in (['health'], ['compress', 'token']):
                    stderr = self.dcac(*verb, f'--server={self.address}', *options, expect=USAGE)[1]
                    self.assertRegex(stderr, r'\Adcac: [^\n]+\n\Z')
        stderr = self.dcac('health', '--server=192.0.2.1:1', '--token-file=token', expect=USAGE)[1]
        self.assertIn('without TLS', stderr)
        self.assertNotIn('secret', stderr)
        self.dcac('health', f'--server={self.address}', '--token-file=token')


if __name__ == '__main__':
    cli_test.DCAC = os.path.abspath(sys.argv.pop(1))
    DCAC_SERVER = os.path.abspath(sys.argv.pop(1))
    unittest.main()
