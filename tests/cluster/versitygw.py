#!/usr/bin/python3
"""versitygw, a small S3 server that keeps objects as files: for the tests of the S3 store.

Usage: versitygw.py install | start FOLDER | kill FOLDER | wipe FOLDER | env FOLDER

`install` builds a released version of it with Go, once; it says why where that cannot be done, and ends with 77.  `start`
starts it again on what was kept, on the same port; `env` prints how it is reached, as exports of a shell.
"""
import json
import os
import pathlib
import re
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

VERSION = 'v1.8.0'
MODULE = f'github.com/versity/versitygw/cmd/versitygw@{VERSION}'
# With which VERSION can be built.  From 1.21 on a Go fetches what it lacks itself.
TOOLCHAIN = 'golang.org/toolchain@v0.0.1-go1.25.0.linux-{arch}'
FETCHES_TOOLCHAINS = (1, 21)
TOOLS = pathlib.Path(__file__).resolve().parents[2] / 'build' / 'tools'
PROGRAM = TOOLS / f'versitygw-{VERSION}' / 'versitygw'
SKIPPED = 77
BUCKET = 'tensors'
START_SECONDS = 60


def output_of(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def go_that_builds():
    """A go command that is new enough, or fetches one that is."""
    go = shutil.which('go') or shutil.which('/usr/local/go/bin/go')
    if not go:
        raise FileNotFoundError('there is no Go')
    found = re.search(r'go(\d+)\.(\d+)', output_of(go, 'version'))
    if tuple(map(int, found.groups())) >= FETCHES_TOOLCHAINS:
        return go
    arch = output_of(go, 'env', 'GOARCH')
    root = pathlib.Path(json.loads(output_of(go, 'mod', 'download', '-json', TOOLCHAIN.format(arch=arch)))['Dir'])
    # What a newer Go does when it fetches a toolchain: modules hold neither programs nor files named go.mod.
    for program in [*root.glob('bin/*'), *root.glob('pkg/tool/*/*')]:
        program.chmod(0o755)
    for parked in root.rglob('_go.mod'):
        parked.parent.chmod(0o755)
        shutil.copy(parked, parked.with_name('go.mod'))
    return str(root / 'bin' / 'go')


def install():
    if PROGRAM.exists():
        return 0
    building = TOOLS / f'building-{os.getpid()}'
    try:
        environment = os.environ | {'GOBIN': str(building), 'GOTOOLCHAIN': 'auto'}
        subprocess.run([go_that_builds(), 'install', '-ldflags=-s -w', MODULE], env=environment, check=True,
                       capture_output=True, text=True)
        PROGRAM.parent.mkdir(parents=True, exist_ok=True)
        (building / PROGRAM.name).replace(PROGRAM)
    except (OSError, subprocess.CalledProcessError) as error:
        told = f'{getattr(error, "stdout", None) or ""}{getattr(error, "stderr", None) or ""}'.strip()
        print(f'versitygw {VERSION} cannot be built, tests against it are skipped: {told or error}', file=sys.stderr)
        return SKIPPED
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return 0


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def settings_of(folder):
    return json.loads((folder / 'settings.json').read_text())


def answers(port):
    """Whether anything is answered: without a signature that is a refusal."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(f'http://127.0.0.1:{port}/', timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def start(folder):
    if not PROGRAM.exists():
        sys.exit(f'{PROGRAM} is not there, expected after `versitygw.py install`')
    (folder / 'objects' / BUCKET).mkdir(parents=True, exist_ok=True)
    if not (folder / 'settings.json').exists():
        settings = {'port': free_port(), 'key': secrets.token_hex(8), 'secret': secrets.token_hex(16)}
        (folder / 'settings.json').write_text(json.dumps(settings))
    settings = settings_of(folder)
    environment = os.environ | {'ROOT_ACCESS_KEY': settings['key'], 'ROOT_SECRET_KEY': settings['secret']}
    with open(folder / 'log', 'ab') as log:
        server = subprocess.Popen([PROGRAM, '--port', f'127.0.0.1:{settings["port"]}', '--keep-alive', '--quiet', 'posix',
                                   folder / 'objects'], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                  start_new_session=True)
    (folder / 'pid').write_text(str(server.pid))
    end = time.monotonic() + START_SECONDS
    while not answers(settings['port']):
        if server.poll() is not None or time.monotonic() > end:
            sys.exit(f'versitygw does not answer:\n{(folder / "log").read_text()}')
        time.sleep(0.05)


def is_server(pid, folder):
    try:
        return str(folder) in pathlib.Path(f'/proc/{pid}/cmdline').read_text()
    except OSError:
        return False


def kill(folder):
    pid = int((folder / 'pid').read_text())
    while is_server(pid, folder):
        os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def wipe(folder):
    if (folder / 'pid').exists():
        kill(folder)
    shutil.rmtree(folder, ignore_errors=True)


def env(folder):
    settings = settings_of(folder)
    variables = {'AWS_ENDPOINT_URL': f'http://127.0.0.1:{settings["port"]}', 'AWS_REGION': 'us-east-1',
                 'AWS_ACCESS_KEY_ID': settings['key'], 'AWS_SECRET_ACCESS_KEY': settings['secret'], 'S3_BUCKET': BUCKET}
    print('export', *(f'{name}={shlex.quote(value)}' for name, value in variables.items()))


def main():
    verbs = {'start': start, 'kill': kill, 'wipe': wipe, 'env': env}
    if sys.argv[1:] == ['install']:
        return install()
    if len(sys.argv) != 3 or sys.argv[1] not in verbs:
        sys.exit(__doc__)
    verbs[sys.argv[1]](pathlib.Path(sys.argv[2]).resolve())
    return 0


if __name__ == '__main__':
    sys.exit(main())
