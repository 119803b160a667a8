"""Two programs print the same lines.  Usage: same_output.py PROGRAM OTHER."""
import subprocess
import sys


def lines_of(program):
    return subprocess.run([program], check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()


def main():
    lines, others = map(lines_of, sys.argv[1:3])
    assert lines, f'{sys.argv[1]} prints nothing'
    differences = [pair for pair in zip(lines, others) if pair[0] != pair[1]]
    for line, other in differences[:20]:
        print(f'{line}\n  but {other}')
    assert not differences and len(lines) == len(others), f'{len(differences)} of {len(lines)} lines differ'
    print(f'{len(lines)} lines are equal')


if __name__ == '__main__':
    main()
