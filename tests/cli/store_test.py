#!/usr/bin/env python3
"""store_test.py DCAC DCAC_SERVER [TEST...]: verbs of the activation store, with a real server."""
import json
import os
import pathlib
import socket
import struct
import subprocess
import sys
import threading
import time
import unittest

import cli_test
from cli_test import CliTest

DCAC_SERVER = None


class CuttingProxy:
    """Passes connections on to a Unix socket, and cuts some after so many bytes in one direction.

    `cut_actions`: what is done at each cut, one after the other.
    """

    def __init__(self, path, target, cut_after, cut_actions):
        self.target, self.cut_after, self.cut_actions = target, cut_after, list(cut_actions)
        self.passed_bytes = 0
        self.lock = threading.Lock()
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
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with client, socket.socket(socket.AF_UNIX) as server:
            try:
                server.connect(self.target)
            except OSError:
                return
            back = threading.Thread(target=self.copy, args=(server, client), daemon=True)
            back.start()
            self.copy(client, server)
            back.join()

    def copy(self, source, sink):
        count = 0
        try:
            while data := source.recv(65536):
                count += len(data)
                if count > self.cut_after and self.is_to_cut():
                    break
                with self.lock:
                    self.passed_bytes += len(data)
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def is_to_cut(self):
        with self.lock:
            if not self.cut_actions:
                return False
            self.cut_actions.pop(0)()
            return True


def nothing():
    pass


class StoreTest(CliTest):
    def setUp(self):
        super().setUp()
        self.start_server('memory:')
        self.addCleanup(self.stop_server)
        self.environment = {'DCAC_SERVER': f'unix:{self.folder}/socket'}

    def start_server(self, store):
        self.process = subprocess.Popen(
            [DCAC_SERVER, f'--listen=unix:{self.folder}/socket', f'--store={store}', '--lame-duck-ms=0'],
            stderr=subprocess.PIPE)
        while not (line := self.process.stderr.readline()).startswith(b'dcac-server: '):
            self.assertTrue(line)

    def stop_server(self):
        self.process.terminate()
        self.process.communicate()

    def restart_server(self, store):
        self.process.kill()
        self.process.communicate()
        self.start_server(store)

    def dcac_through_proxy(self, *arguments, cut_actions):
        """Runs the program, whose first connections pass 5 MiB and no more."""
        proxy, environment = self.start_proxy(arguments[0], cut_actions)
        self.dcac(*arguments, environment=environment)
        self.assertEqual(proxy.cut_actions, [])

    def start_proxy(self, name, cut_actions):
        path = f'{self.folder}/proxy.{name}'
        proxy = CuttingProxy(path, f'{self.folder}/socket', 5 << 20, cut_actions)
        self.addCleanup(proxy.listener.close)
        return proxy, {'DCAC_SERVER': f'unix:{path}'}

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

    def test_a_prefix_without_objects_is_an_error(self):
        self.write_map('a.npy')
        self.store('put', '-q', 'a.npy', 'ckpt2/a')
        message = self.dcac('get', '-r', 'ckpt', 'out', environment=self.environment, expect=1)[1]
        self.assertEqual(message, 'dcac: ckpt: there is no object whose key begins with ckpt/\n')
        self.assertFalse(os.path.exists(os.path.join(self.folder, 'out')))

    def test_a_folder_of_anything_comes_back_whole(self):
        for name in ('in/deep/er', 'in/empty', 'in/other'):
            os.makedirs(os.path.join(self.folder, name))
        self.write_map('in/a.npy')
        self.write_map('in/deep/er/b.npy', shape=(2, 4, 8, 8))
        header = json.dumps({'w': {'dtype': 'F32', 'shape': [2, 8], 'data_offsets': [0, 64]}}).encode()
        self.write('in/deep/model.safetensors', struct.pack('<Q', len(header)) + header + bytes(range(64)))
        self.write('in/deep/notes.txt', b'no tensor\n')
        self.write('in/deep/nothing', b'')
        self.write('in/other/a name with spaces.npy', b'\x93NUMPY that is none')
        os.symlink('a.npy', os.path.join(self.folder, 'in/link'))
        message = self.dcac('put', '-q', '-r', 'in', 'run/1', environment=self.environment, expect=1)[1]
        self.assertRegex(message, r'\Adcac: in/link: is a symbolic link, expected a file\n\Z')
        os.remove(os.path.join(self.folder, 'in/link'))
        self.store('get', '-q', '-r', 'run/1', 'out')
        self.assertEqual(self.tree('out'), self.tree('in'))
        self.assertEqual(len(self.tree('out')), 6)

    def test_names_that_are_no_utf8_are_told(self):
        folder = os.path.join(self.folder, 'in').encode()
        os.mkdir(folder)
        for name in (b'bad\xff', 'gut\N{LATIN SMALL LETTER U WITH DIAERESIS}'.encode()):
            with open(os.path.join(folder, name), 'wb') as file:
                file.write(b'no tensor')
        result = subprocess.run([cli_test.DCAC, 'put', '-q', '-r', 'in', 'run'], cwd=self.folder, capture_output=True,
                                env={**os.environ, **self.environment})
        self.assertEqual(result.stderr, b'dcac: in/bad\xff: its key has bytes that are no UTF-8, expected none\n')
        self.assertEqual(result.returncode, 1)
        self.assertEqual(self.store('ls').decode(), 'run/gut\N{LATIN SMALL LETTER U WITH DIAERESIS}\n')

    def test_keys_lead_nowhere_out_of_the_folder(self):
        for name in ('outside', 'out'):
            os.mkdir(os.path.join(self.folder, name))
        os.symlink('../outside', os.path.join(self.folder, 'out/link'))
        self.write('note', b'no tensor')
        self.store('put', '-q', 'note', 'run/link/note')
        message = self.dcac('get', '-q', '-r', 'run', 'out', environment=self.environment, expect=1)[1]
        self.assertIn('out/link: exists already and is no folder, expected one or nothing', message)
        self.assertEqual(os.listdir(os.path.join(self.folder, 'outside')), [])

    def test_named_pipes_in_the_place_of_files_are_refused(self):
        os.mkdir(os.path.join(self.folder, 'out'))
        self.write('note', b'no tensor')
        self.store('put', '-q', 'note', 'run/note')
        for name in ('out/note', 'out/.dcac-uploads'):
            os.mkfifo(os.path.join(self.folder, name))
        for arguments, name, reason in (('get -q -r run out', 'run/note: out/note', '-r'),
                                        ('get -q -r -f run out', 'run/note: out/note', '-r'),
                                        ('put -q -r --resume out run', 'out/.dcac-uploads', '--resume')):
            message = self.dcac(*arguments.split(), environment=self.environment, expect=1)[1]
            self.assertEqual(message, f'dcac: {name}: is no regular file, expected one for {reason}\n')

    def test_files_that_are_fetched_obey_the_mask(self):
        self.write('note', b'no tensor')
        self.store('put', '-q', 'note', 'note')
        before = os.umask(0o077)
        try:
            self.store('get', '-q', 'note', '-o', 'back')
        finally:
            os.umask(before)
        self.assertEqual(os.stat(os.path.join(self.folder, 'back')).st_mode & 0o777, 0o600)

    def tree(self, name):
        root = pathlib.Path(self.folder) / name
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob('*') if path.is_file()}

    def put_folder(self, *arguments, folder='in'):
        """Puts a folder and says which of its files were there already."""
        lines = self.store('put', '-r', '--resume', '--json', folder, 'ckpt', *arguments).splitlines()
        return {os.path.relpath(r['file'], folder): r['skipped'] for r in map(json.loads, lines)}

    def test_what_is_stored_is_not_sent_again(self):
        os.makedirs(os.path.join(self.folder, 'in/deep'))
        self.write_map('in/a.npy')
        self.write_map('in/deep/b.npy')
        self.assertEqual(self.put_folder(), {'a.npy': False, 'deep/b.npy': False})
        self.write_map('in/a.npy', shape=(1, 8, 16, 17))
        self.write('in/c', b'c')
        self.assertEqual(self.put_folder(), {'a.npy': False, 'deep/b.npy': True, 'c': False})
        self.assertEqual(self.put_folder(), {'a.npy': True, 'deep/b.npy': True, 'c': True})
        self.store('get', '-q', '-r', 'ckpt', 'out')
        self.assertEqual(self.tree('out'), self.tree('in'))
        self.store('put', '--resume', 'in/c', 'c', expect=2)

    def test_what_is_stored_is_not_compressed_again(self):
        os.mkdir(os.path.join(self.folder, 'in'))
        samples = cli_test.smooth_samples(2048)
        contents = {'array.npy': cli_test.npy('|u1', (1, 8, 16, 16), samples),
                    'fortran.npy': cli_test.fortran_npy('|u1', (16, 16, 8), samples),
                    'longer.npy': cli_test.npy('|u1', (1, 8, 16, 16), samples) + b'tail',
                    'bytes': b'some', 'nothing': b''}
        for name, content in contents.items():
            self.write(f'in/{name}', content)
        self.assertEqual(set(self.put_folder().values()), {False})
        # Another level makes other archives.
        self.assertEqual(self.put_folder('-1'), dict.fromkeys(contents, True))
        for name, content in contents.items():
            if content:
                self.write(f'in/{name}', bytes([content[0] ^ 1]) + content[1:])
        self.assertEqual(self.put_folder(), {name: not content for name, content in contents.items()})
        for name, content in contents.items():
            self.write(f'in/{name}', content[:-1] + bytes([content[-1] ^ 1]) if content else b'')
        self.assertEqual(self.put_folder(), {name: not content for name, content in contents.items()})
        self.store('get', '-q', '-r', 'ckpt', 'out')
        self.assertEqual(self.tree('out'), self.tree('in'))

    def test_what_is_stored_is_kept_as_told(self):
        os.mkdir(os.path.join(self.folder, 'in'))
        self.write('in/a', b'a')

        def put(*arguments):
            self.store('put', '-q', '-r', '--resume', 'in', 'ckpt', *arguments)
            stored = json.loads(self.store('stat', '--json', 'ckpt/a'))
            return stored['expires_ms'] is not None, stored['pinned']

        self.assertEqual(put('--ttl=1h'), (True, False))
        self.assertEqual(put('--if-absent'), (True, False))
        self.assertEqual(put('--pin'), (False, True))
        self.assertEqual(put('--ttl=1h'), (True, True))

    def test_an_upload_of_a_client_that_was_killed_goes_on(self):
        os.makedirs(os.path.join(self.folder, 'in'))
        original = self.write('in/a.bin', os.urandom(24 << 20))
        command = ('put', '-q', '-r', '--resume', 'in', 'ckpt')
        path = f'{self.folder}/killing'
        started, killed = threading.Event(), threading.Event()

        def kill():
            started.wait()
            process.kill()
            process.wait()
            killed.set()

        proxy = CuttingProxy(path, f'{self.folder}/socket', 16 << 20, [kill])
        self.addCleanup(proxy.listener.close)
        process = subprocess.Popen([cli_test.DCAC, *command], cwd=self.folder,
                                   env={**os.environ, 'DCAC_SERVER': f'unix:{path}'})
        started.set()
        self.assertTrue(killed.wait(timeout=100))
        self.assertTrue(os.path.exists(f'{self.folder}/in/.dcac-uploads'))
        self.assertEqual(self.store('ls', '--json'), b'')
        rest = CuttingProxy(f'{self.folder}/rest', f'{self.folder}/socket', 0, [])
        self.addCleanup(rest.listener.close)
        self.dcac(*command, environment={'DCAC_SERVER': f'unix:{self.folder}/rest'})
        self.assertLess(rest.passed_bytes, 20 << 20)
        self.assertEqual(os.listdir(f'{self.folder}/in'), ['a.bin'])
        self.store('get', '-q', 'ckpt/a.bin', '-o', 'b.bin')
        self.assertEqual(self.read('b.bin'), original)

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
        self.dcac_through_proxy('put', '-q', 'a.bin', 'a', cut_actions=[nothing] * 3)
        self.dcac_through_proxy('get', '-q', 'a', '-o', 'b.bin', cut_actions=[nothing] * 3)
        self.assertEqual(self.read('b.bin'), original)

    def test_a_server_that_is_killed_goes_on_where_its_disk_is(self):
        store = f'local:{self.folder}/store'
        self.restart_server(store)
        original = self.write('a.bin', os.urandom(16 << 20))
        kills = [lambda: self.restart_server(store)] * 2
        self.dcac_through_proxy('put', '-q', 'a.bin', 'a', cut_actions=kills)
        self.dcac_through_proxy('get', '-q', 'a', '-o', 'b.bin', cut_actions=kills)
        self.assertEqual(self.read('b.bin'), original)
        self.assertEqual(json.loads(self.store('du', '--json'))['objects'], 1)

    def test_the_bar_moves_during_an_upload(self):
        self.write('a.bin', os.urandom(8 << 20))
        # The bar is drawn every 100 ms.
        proxy, environment = self.start_proxy('put', [lambda: time.sleep(0.5)])
        seen = self.dcac_on_terminal('put', 'a.bin', 'a', environment=environment)
        self.assertEqual(proxy.cut_actions, [])
        self.assertRegex(seen, rb'sent [1-9]\.\d of 8\.4 MB')

    def test_what_is_put_anew_while_it_is_fetched_is_fetched_anew(self):
        self.write('a.bin', os.urandom(16 << 20))
        newer = self.write('newer.bin', os.urandom(16 << 20))
        self.store('put', '-q', 'a.bin', 'a')
        replace = lambda: self.store('put', '-q', 'newer.bin', 'a')
        self.dcac_through_proxy('get', '-q', 'a', '-o', 'b.bin', cut_actions=[replace])
        self.assertEqual(self.read('b.bin'), newer)

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
        for verb in (['get', '-q', 'x/none', '-o', 'b.npy'], ['stat', 'x/none'], ['rm', 'x/none']):
            message = self.dcac(*verb, environment=self.environment, expect=1)[1]
            self.assertRegex(message, r'\Adcac: .*nothing is stored under the key x/none\n\Z')
        self.store('get', 'a', expect=2)
        self.assertFalse(os.path.exists(os.path.join(self.folder, 'b.npy')))


if __name__ == '__main__':
    cli_test.DCAC = os.path.abspath(sys.argv.pop(1))
    DCAC_SERVER = os.path.abspath(sys.argv.pop(1))
    unittest.main()
