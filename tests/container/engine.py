"""A Docker engine for a test: the one that answers, or a private one for as long as the test runs."""
import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

START_SECONDS = 60


def answers(environment):
    return subprocess.run(['docker', 'info'], env=environment, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode == 0


def bridge_exists():
    return os.path.exists('/sys/class/net/docker0')


@contextlib.contextmanager
def engine():
    """Yields the environment in which `docker` has an engine, or None where there is none to be had.

    A private engine keeps its data in DCAC_DOCKER_DATA, if that is set, so that images and layers are there the next
    time.  It leaves the firewall alone: what is built needs --network=host.
    """
    environment = dict(os.environ)
    if shutil.which('docker') is None:
        yield None
    elif answers(environment):
        yield environment
    elif os.geteuid() != 0 or shutil.which('dockerd') is None:
        yield None
    else:
        with tempfile.TemporaryDirectory(prefix='dcac-docker-') as folder, private_engine(folder, environment) as found:
            yield found


@contextlib.contextmanager
def private_engine(folder, environment):
    socket = f'unix://{folder}/docker.sock'
    had_bridge = bridge_exists()
    with open(f'{folder}/log', 'wb') as log:
        process = subprocess.Popen(
            ['dockerd', '--iptables=false', '--ip6tables=false', '--exec-root', f'{folder}/exec', '--host', socket,
             '--data-root', environment.get('DCAC_DOCKER_DATA', f'{folder}/data'), '--pidfile', f'{folder}/pid'],
            stdout=log, stderr=log)
    environment = {**environment, 'DOCKER_HOST': socket}
    try:
        end = time.monotonic() + START_SECONDS
        while process.poll() is None and time.monotonic() < end and not answers(environment):
            time.sleep(0.2)
        yield environment if answers(environment) else None
    finally:
        process.terminate()
        process.wait()
        for mount in pathlib.Path(folder).glob('exec/netns/*'):
            subprocess.run(['umount', mount], stderr=subprocess.DEVNULL)
        if not had_bridge and bridge_exists():
            subprocess.run(['ip', 'link', 'delete', 'docker0'], stderr=subprocess.DEVNULL)
