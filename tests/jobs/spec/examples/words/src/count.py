import sys

print(len(open(sys.argv[2]).read().split()))
