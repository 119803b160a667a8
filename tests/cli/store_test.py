#!/usr/bin/env python3
"""store_test.py DCAC DCAC_SERVER [TEST...]: verbs of the activation store, with a real server."""
import json
import os
import socket
import subprocess
import sys
import threading
import unittest

import cli_test
from cli_test import CliTest

DCAC_SERVER = None


class CuttingProxy:
    """Passes connections on to a Unix socket, and cuts each of the first ones after so many bytes in one direction."""

    def __init__(self, path, target, cut_after, cuts):
        self.target, self.cut_after, self.cuts_left = target, cut_after, cuts
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.target)
            threading.Thread(target=self.serve, args=(client, server), daemon=True).start()

    def serve(self, client, server):
        with client, server:
            back = threading.Thread(target=self.copy, args=(server, client), daemon=True)
            back.start()
            self.copy(client, server)
            back.join()

    def copy(self, source, sink):
        count = 0
        try:
            while data := source.recv(65536):
                count += len(data)
                if self.cuts_left > 0 and count > self.cut_after:
                    self.cuts_left -= 1
                    break
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class StoreTest(CliTest):
    def setUp(self):
        super().setUp()
        address = f'unix:{self.folder}/socket'
        self.process = subprocess.Popen([DCAC_SERVER, f'--listen={address}', '--store=memory:', '--lame-duck-ms=0'],
                                        stderr=subprocess.PIPE)
        self.addCleanup(self.stop_server)
        while not (line := self.process.stderr.readline()).startswith(b'dcac-server: '):
            self.assertTrue(line)
        self.environment = {'DCAC_SERVER': address}

    def stop_server(self):
        self.process.terminate()
        self.process.communicate()

    def store(self, *arguments, **options):
        return self.dcac(*arguments, environment=self.environment, **options)[0]

    def test_a_file_comes_back(self):
        self.write_map()
        original = self.read('a.npy')
        put = json.loads(self.store('put', '--json', '--ttl=1h', '--pin', 'a.npy', 'm/0/a'))
        self.assertEqual((put['kind'], put['raw_bytes'], put['pinned']), ('archive', len(original), True))
        self.assertIsNotNone(put['expires_ms'])
        self.store('get', '-q', 'm/0/a', '-o', 'b.npy')
        self.assertEqual(self.read('b.npy'), original)
        self.assertEqual(json.loads(self.store('stat', '--json', 'm/0/a'))['version'], put['version'])

    def test_a_slice_is_that_of_the_archive(self):
        self.write_map()
        self.store('put', '-q', 'a.npy', 'a')
        self.store('get', '-q', '--planes=1:3', 'a', '-o', 'there.npy')
        self.dcac('compress', '-q', 'a.npy')
        self.dcac('decompress', '-q', '--planes=1:3', 'a.npy.dcac', '-o', 'here.npy')
        self.assertEqual(self.read('there.npy'), self.read('here.npy'))

    def test_a_folder_goes_in_and_comes_out(self):
        os.makedirs(os.path.join(self.folder, 'in/deep'))
        names = ['in/a.npy', 'in/deep/b.npy']
        for i, name in enumerate(names):
            self.write_map(name, shape=(1, 8, 16 + i, 16))
        self.store('put', '-q', '-r', 'in', 'ckpt')
        again = self.store('put', '-r', '--if-absent', '--json', 'in', 'ckpt').splitlines()
        self.assertEqual([json.loads(line)['skipped'] for line in again], [True, True])
        self.store('get', '-q', '-r', 'ckpt', 'out')
        for name in names:
            self.assertEqual(self.read(name), self.read(name.replace('in', 'out', 1)))

    def test_what_is_listed_counted_and_deleted(self):
        self.write_map()
        for key in ('x/a', 'x/b', 'xy'):
            self.store('put', '-q', 'a.npy', key)
        listed = self.store('ls', '--json', 'x/').splitlines()
        self.assertEqual([json.loads(line)['key'] for line in listed], ['x/a', 'x/b'])
        self.store('ls', '-l')
        self.assertEqual(json.loads(self.store('du', '--json', 'x/'))['objects'], 2)
        self.assertEqual(json.loads(self.store('scrub', '--json'))['damaged'], 0)
        self.store('rm', '-r', 'x')
        self.store('rm', 'xy')
        self.assertEqual(self.store('ls', '--json'), b'')

    def test_connections_that_break_are_made_again_and_transfers_go_on(self):
        original = self.write('a.bin', os.urandom(16 << 20))
        for verb in (('put', '-q', 'a.bin', 'a'), ('get', '-q', 'a', '-o', 'b.bin')):
            path = f'{self.folder}/{verb[0]}.socket'
            # No more than so many bytes pass through one: a transfer that began anew would never end.
            proxy = CuttingProxy(path, f'{self.folder}/socket', cut_after=5 << 20, cuts=3)
            self.addCleanup(proxy.listener.close)
            self.dcac(*verb, environment={'DCAC_SERVER': f'unix:{path}'})
            self.assertEqual(proxy.cuts_left, 0)
        self.assertEqual(self.read('b.bin'), original)

    def test_status_shows_the_store(self):
        self.write_map()
        self.store('put', '-q', 'a.npy', 'a')
        status = json.loads(self.store('status', '--json'))['store']
        self.assertEqual((status['backend'], status['objects']), ('memory', 1))
        self.assertIn(b'store (memory)', self.store('status'))

    def test_refusals(self):
        self.write_map()
        self.store('put', '-q', 'a.npy', 'a')
        self.store('put', '-q', '--if-absent', 'a.npy', 'a', expect=1)
        self.store('get', '-q', 'nothing', '-o', 'b.npy', expect=1)
        self.store('get', 'a', expect=2)
        self.assertFalse(os.path.exists(os.path.join(self.folder, 'b.npy')))


if __name__ == '__main__':
    cli_test.DCAC = os.path.abspath(sys.argv.pop(1))
    DCAC_SERVER = os.path.abspath(sys.argv.pop(1))
    unittest.main()
