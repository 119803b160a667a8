"""An S3 server for the time of a test.

The one that DCAC_S3_SERVER names: a program that takes `start`, `kill`, `wipe` and `env` with a folder, where `env` prints
lines of `export NAME=VALUE...` with AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and S3_BUCKET.  What kind of
server it starts is its own affair.  Without DCAC_S3_SERVER that is versitygw, if it was installed.
"""
import contextlib
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile

import versitygw


def program():
    """The path of the program that starts servers; without one the test ends as skipped."""
    named = os.environ.get('DCAC_S3_SERVER')
    if named:
        return named
    if not versitygw.PROGRAM.exists():
        print('skipped: DCAC_S3_SERVER names no program that starts an S3 server, '
              'and tests/cluster/versitygw.py install did not run or did not succeed')
        sys.exit(versitygw.SKIPPED)
    return str(pathlib.Path(versitygw.__file__).resolve())


def exports(text):
    """The variables of `export` lines."""
    words = [word for line in text.splitlines() for word in shlex.split(line) if '=' in word]
    return dict(word.split('=', 1) for word in words)


@contextlib.contextmanager
def running():
    """A server, as variables of an environment; DCAC_S3_SERVER and DCAC_S3_FOLDER with them, to kill and start it."""
    server = program()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        place = os.path.join(folder, 'server')
        try:
            subprocess.run([server, 'start', place], check=True)
            told = subprocess.run([server, 'env', place], check=True, capture_output=True, text=True).stdout
            yield exports(told) | {'DCAC_S3_SERVER': server, 'DCAC_S3_FOLDER': place}
        finally:
            subprocess.run([server, 'wipe', place], check=False)
