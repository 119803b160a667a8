#!/usr/bin/env python3
"""Runs the tests of the S3 store against a server that it starts.

Usage: s3_test.py S3_STORE_TEST
"""
import os
import subprocess
import sys

import s3_server


def main():
    with s3_server.running() as variables:
        return subprocess.run([sys.argv[1]], env=os.environ | variables, check=False).returncode


if __name__ == '__main__':
    sys.exit(main())
