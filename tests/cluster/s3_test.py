#!/usr/bin/env python3
"""Runs the tests of the S3 store against a server that it starts.

Usage: s3_test.py S3_STORE_TEST

DCAC_S3_SERVER is a program that takes `start`, `kill`, `wipe` and `env` with a folder; `env` prints lines of
`export NAME=VALUE...` with AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and S3_BUCKET.  What kind of server it
starts is its own affair.  Without DCAC_S3_SERVER the test is skipped.
"""
import os
import shlex
import subprocess
import sys
import tempfile

SKIPPED = 77


def exports(text):
    """The variables of `export` lines."""
    words = [word for line in text.splitlines() for word in shlex.split(line) if '=' in word]
    return dict(word.split('=', 1) for word in words)


def main():
    server = os.environ.get('DCAC_S3_SERVER')
    if not server:
        print('skipped: DCAC_S3_SERVER names no program that starts an S3 server')
        return SKIPPED
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        place = os.path.join(folder, 'server')
        try:
            subprocess.run([server, 'start', place], check=True)
            told = subprocess.run([server, 'env', place], check=True, capture_output=True, text=True).stdout
            variables = os.environ | exports(told) | {'DCAC_S3_FOLDER': place}
            return subprocess.run([sys.argv[1]], env=variables, check=False).returncode
        finally:
            subprocess.run([server, 'wipe', place], check=False)


if __name__ == '__main__':
    sys.exit(main())
