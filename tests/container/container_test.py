#!/usr/bin/env python3
"""The container image, built and run as in production: read-only, without privileges, used from outside, drained.

container_test.py DCAC SERVER [--image TAG] [TEST...]: paths of the host's programs.  Without --image the image is
built, which compiles the programs.  The last line of the output is JSON: sizes in bytes, times in ms.  Exit status 77
where there is no Docker engine, or neither the base image nor a registry that has it.
"""
import argparse
import contextlib
import datetime
import hashlib
import json
import os
import pathlib
import secrets
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

from engine import engine

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCE = ROOT / 'tests/data/mobilenetv2-b6.u8.npy'
BASE = 'debian:12-slim'
SKIPPED = 77
HUNG_SECONDS = 120
HARDENED = ['--read-only', '--tmpfs=/tmp', '--cap-drop=ALL', '--security-opt=no-new-privileges', '--pids-limit=256']
HEALTH_SOCKET = 'unix:/tmp/dcac.sock'
ON_NETWORK = [f'--listen={HEALTH_SOCKET}', '--listen=0.0.0.0:50051']
OPEN = [*ON_NETWORK, '--metrics-listen=0.0.0.0:9464', '--insecure']
SECURED = [*ON_NETWORK, '--tls-certificate-file=/etc/dcac/secrets/tls.crt',
           '--tls-key-file=/etc/dcac/secrets/tls.key', '--token-file=/etc/dcac/secrets/tokens']
SERVER_UNREACHABLE = 4  # exit status of dcac
# Files of other users than root can belong to no group of the image's: the server gets their owner.
AS_OWNER = [] if os.geteuid() == 0 else [f'--user={os.geteuid()}:{os.getegid()}']
MEASURED = {}


def run(*command, expect=0, **more):
    """Output of `command`, both streams."""
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ENVIRONMENT,
                            **more)
    if expect is not None and result.returncode != expect:
        raise AssertionError(f'{command} ended with {result.returncode}, expected {expect}:\n{result.stdout}')
    return result.stdout.strip()


def docker(*arguments, **more):
    return run('docker', *arguments, **more)


def inspect(name, form):
    return json.loads(docker('inspect', '--format', f'{{{{json {form}}}}}', name))


def eventually(condition):
    end = time.monotonic() + HUNG_SECONDS
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def milliseconds_since(start):
    return round((time.monotonic() - start) * 1000)


def get(url):
    with urllib.request.urlopen(url, timeout=HUNG_SECONDS) as response:
        return response.read().decode()


class Container:
    """A hardened container of the image, removed at the end of the context."""

    def __init__(self, *arguments, options=()):
        ports = [f'--publish=127.0.0.1:0:{port}' for port in (50051, 9464)]
        self._command = ['run', '--detach', *HARDENED, *ports, *options, IMAGE, *arguments]

    def __enter__(self):
        self.id = docker(*self._command).splitlines()[-1]
        return self

    def __exit__(self, *_):
        docker('rm', '--force', self.id)

    def address(self, port=50051):
        """Where the host reaches `port` of the container."""
        return docker('port', self.id, str(port)).splitlines()[0]

    def exec(self, *command, **more):
        return docker('exec', self.id, *command, **more)

    def logs(self):
        return docker('logs', self.id)

    def serves(self):
        return subprocess.run([SERVER, 'health', self.address()], stderr=subprocess.DEVNULL).returncode == 0

    def is_healthy(self):
        """What the engine's health check asks, inside."""
        return self.exec('dcac-server', 'health', HEALTH_SOCKET, expect=None) == ''

    def wait_until_serving(self):
        if not eventually(self.serves):
            raise AssertionError(f'does not serve:\n{self.logs()}')

    def milliseconds_to_first_line(self):
        """From the start of the container to the first line of its log."""
        def moment(text):
            return datetime.datetime.fromisoformat(text[:26].rstrip('Z'))

        line = docker('logs', '--timestamps', self.id).splitlines()[0]
        started = inspect(self.id, '.State.StartedAt')
        return round((moment(line.split()[0]) - moment(started)).total_seconds() * 1000)


class ImageTest(unittest.TestCase):

    def test_its_configuration_is_what_orchestrators_expect(self):
        config = inspect(IMAGE, '.Config')
        self.assertEqual(config['User'], '10001:10001')
        self.assertEqual(config['StopSignal'], 'SIGTERM')
        self.assertEqual(config['Entrypoint'], ['dcac-server'])
        self.assertEqual(config['Healthcheck']['Test'], ['CMD', 'dcac-server', 'health', HEALTH_SOCKET])

    def test_its_labels_name_version_and_revision(self):
        labels = inspect(IMAGE, '.Config.Labels')
        prefix = 'org.opencontainers.image.'
        version = docker('run', '--rm', *HARDENED, IMAGE, '--version').split()[-1]
        self.assertEqual(labels[prefix + 'version'], version)
        self.assertRegex(labels[prefix + 'revision'], r'^([0-9a-f]{40}(-modified)?|unknown)$')
        self.assertTrue(datetime.datetime.fromisoformat(labels[prefix + 'created'].replace('Z', '+00:00')))

    def test_it_holds_no_build_tools(self):
        listed = docker('run', '--rm', '--entrypoint=dpkg-query', IMAGE, '--show', '--showformat=${Package}\n')
        unwanted = [name for name in listed.split() if name.endswith('-dev') or name in ('g++', 'cmake', 'python3')]
        self.assertEqual(unwanted, [])

    def test_its_size(self):
        MEASURED['image_bytes'] = inspect(IMAGE, '.Size')
        MEASURED['image_bytes_beyond_base'] = MEASURED['image_bytes'] - inspect(BASE, '.Size')
        self.assertLess(MEASURED['image_bytes_beyond_base'], 64 << 20)


class ContainerTest(unittest.TestCase):

    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def compress(self, source, address, *options, expect=0):
        packed = self.folder / 'packed.dcac'
        run(DCAC, 'compress', '--force', f'--server={address}', *options, '-o', packed, source, expect=expect)
        return packed

    def assert_restores(self, packed, source):
        """`packed` is `source`, as the host's own decoder says."""
        restored = self.folder / 'restored'
        run(DCAC, 'decompress', '-o', restored, packed)
        self.assertEqual(restored.read_bytes(), pathlib.Path(source).read_bytes())

    def test_serves_the_host_read_only_and_without_privileges(self):
        start = time.monotonic()
        with Container(*OPEN) as container:
            container.wait_until_serving()
            MEASURED['run_to_serving_ms'] = milliseconds_since(start)
            MEASURED['start_to_listening_ms'] = container.milliseconds_to_first_line()
            packed = self.compress(SOURCE, container.address())
            self.assertLess(packed.stat().st_size, SOURCE.stat().st_size)
            self.assert_restores(packed, SOURCE)

            self.assertEqual(container.exec('id', '-u'), '10001')
            self.assertIn('Read-only file system', container.exec('touch', '/usr/local/bin/x', expect=1))
            status = container.exec('cat', '/proc/1/status')
            self.assertRegex(status, r'CapEff:\s*0000000000000000\n')
            self.assertRegex(status, r'NoNewPrivs:\s*1\n')

    def test_health_check_tells_whether_it_serves(self):
        with Container(*OPEN, options=['--health-interval=1s']) as container:
            self.assertTrue(eventually(lambda: inspect(container.id, '.State.Health.Status') == 'healthy'))
            container.exec('dcac-server', 'health', 'unix:/tmp/nobody.sock', expect=1)

    def test_by_default_nobody_outside_reaches_it(self):
        with Container() as container:
            self.assertTrue(eventually(container.is_healthy))
            self.assertFalse(container.serves())

    def test_listening_openly_has_to_be_asked_for(self):
        said = docker('run', '--rm', *HARDENED, IMAGE, *ON_NETWORK, expect=None)
        self.assertIn('--insecure', said)
        self.assertIn('0.0.0.0:50051', said)

    def test_serves_over_tls_who_has_a_token(self):
        token_file, folder = self.folder / 'token', self.make_secrets()
        token_file.write_text(self.token)
        token_file.chmod(0o600)
        tls, token = f'--tls-ca={folder}/ca.crt', f'--token-file={token_file}'
        with Container(*SECURED, options=[f'--volume={folder}:/etc/dcac/secrets:ro', *AS_OWNER]) as container:
            self.assertTrue(eventually(container.is_healthy), container.logs())
            address = container.address()
            self.assert_restores(self.compress(SOURCE, address, tls, token), SOURCE)
            self.compress(SOURCE, address, tls, expect=SERVER_UNREACHABLE)
            self.compress(SOURCE, address, expect=SERVER_UNREACHABLE)

    def make_secrets(self):
        """A folder with what the server needs; `self.token` is a token that it knows."""
        folder = self.folder / 'secrets'
        run(ROOT / 'deploy/make-certificates', folder, '127.0.0.1')
        self.token = secrets.token_urlsafe(32)
        digest = hashlib.sha256(self.token.encode()).hexdigest()
        tokens = folder / 'tokens'
        tokens.write_text('[[token]]\nname = "test"\ntenant = "tests"\nscopes = ["read", "write"]\n'
                          f'sha256 = "{digest}"\n')
        tokens.chmod(0o640)
        if os.geteuid() == 0:
            os.chown(tokens, -1, 10001)
        return folder

    def test_metrics_health_and_status_over_http(self):
        with Container(*OPEN) as container:
            container.wait_until_serving()
            self.compress(SOURCE, container.address())
            base = f'http://{container.address(9464)}'
            metrics = get(base + '/metrics')
            revision = inspect(IMAGE, '.Config.Labels')['org.opencontainers.image.revision']
            self.assertRegex(metrics, rf'(?m)^dcac_server_build_info\{{.*revision="{revision}".*\}} 1')
            self.assertRegex(metrics, r'(?m)^dcac_server_calls_total\{.*method="Compress(Tensor)?".* [1-9]')
            get(base + '/healthz')
            self.assertIn('<html', get(base + '/statusz'))

    def test_what_was_put_is_in_the_volume(self):
        volume = docker('volume', 'create')
        self.addCleanup(docker, 'volume', 'rm', volume)
        with Container(*OPEN, options=[f'--volume={volume}:/var/lib/dcac-server']) as container:
            container.wait_until_serving()
            run(DCAC, 'put', '--quiet', f'--server={container.address()}', SOURCE, 'layer/7')
        with Container(*OPEN, options=[f'--volume={volume}:/var/lib/dcac-server']) as container:
            container.wait_until_serving()
            got = self.folder / 'got'
            run(DCAC, 'get', '--quiet', f'--server={container.address()}', '-o', got, 'layer/7')
            self.assertEqual(got.read_bytes(), SOURCE.read_bytes())

    def test_stopping_drains(self):
        source = self.folder / 'map.raw'
        rows = b''.join(bytes([(x // 3 + y) % 256 for x in range(256)]) for y in range(256))
        source.write_bytes(rows * 1024)  # 64 MiB
        packed = self.folder / 'packed.dcac'
        with Container(*OPEN) as container:
            container.wait_until_serving()
            command = [DCAC, 'compress', '--quiet', f'--server={container.address()}', '--level=1', '--dtype=u8',
                       '--shape=16,64,256,256', '-o', packed, '-']
            with open(source, 'rb') as samples, subprocess.Popen(command, stdin=subprocess.PIPE) as client:
                client.stdin.write(samples.read(32 << 20))  # more than the server takes without answering
                start = time.monotonic()
                with subprocess.Popen(['docker', 'stop', '--time=60', container.id], env=ENVIRONMENT,
                                      stdout=subprocess.DEVNULL) as stop:
                    self.assertTrue(eventually(lambda: not container.serves()))
                    client.stdin.write(samples.read())
                    client.stdin.close()
                    self.assertEqual(client.wait(HUNG_SECONDS), 0, 'the call that was accepted is lost')
                    self.assertEqual(stop.wait(HUNG_SECONDS), 0)
            MEASURED['stop_with_a_call_ms'] = milliseconds_since(start)
            self.assertEqual(inspect(container.id, '.State.ExitCode'), 0, container.logs())
        self.assert_restores(packed, source)


def image_or_skip(arguments):
    """The tag of the image under test."""
    if ENVIRONMENT is None:
        print('SKIP: no Docker engine')
        sys.exit(SKIPPED)
    if arguments.image:
        return arguments.image
    if docker('images', '--quiet', BASE) == '':
        output = docker('pull', BASE, expect=None)
        if docker('images', '--quiet', BASE) == '':
            print(f'SKIP: no {BASE}: {output}')
            sys.exit(SKIPPED)
    start = time.monotonic()
    tag = run(ROOT / 'deploy/build-image', '--tag', 'dcac-server:test', '--network=host').splitlines()[-1]
    MEASURED['build_ms'] = milliseconds_since(start)
    return tag


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('dcac')
    parser.add_argument('server')
    parser.add_argument('--image')
    ARGUMENTS, rest = parser.parse_known_args()
    DCAC, SERVER = os.path.abspath(ARGUMENTS.dcac), os.path.abspath(ARGUMENTS.server)
    with contextlib.ExitStack() as stack:
        ENVIRONMENT = stack.enter_context(engine())
        IMAGE = image_or_skip(ARGUMENTS)
        outcome = unittest.main(argv=[sys.argv[0], *rest], exit=False, verbosity=2).result
        print(json.dumps(MEASURED))
    sys.exit(0 if outcome.wasSuccessful() else 1)
