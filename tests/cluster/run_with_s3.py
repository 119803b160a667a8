#!/usr/bin/env python3
"""Runs a test program with an S3 server that is started for it.

Usage: run_with_s3.py PROGRAM [ARGUMENT...]
"""
import os
import subprocess
import sys

import s3_server


def main():
    with s3_server.running() as variables:
        return subprocess.run(sys.argv[1:], env=os.environ | variables, check=False).returncode


if __name__ == '__main__':
    sys.exit(main())
