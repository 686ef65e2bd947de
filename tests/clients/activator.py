"""Stands in for systemd with a socket unit: holds a listening socket, and starts the command that serves on it anew
whenever it has ended. Says the port, and then the process of each life, a line each, on standard output. Ends, with the
command, at the end of its standard input.

    python3 activator.py chatd --data chat.redb
"""

import os
import signal
import socket
import subprocess
import sys
import threading

# What sd_listen_fds(3) asks for: descriptors from 3 on, and the process that they are for.
SCRIPT = 'exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"'


def main(command):
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    print(listener.getsockname()[1], flush=True)
    over = threading.Event()
    child = None

    def wait_for_the_end():
        sys.stdin.buffer.read()
        over.set()
        os.kill(os.getpid(), signal.SIGTERM)

    def stop(*_):
        over.set()
        if child:
            child.terminate()

    signal.signal(signal.SIGTERM, stop)
    threading.Thread(target=wait_for_the_end, daemon=True).start()
    while not over.is_set():
        child = subprocess.Popen(["sh", "-c", SCRIPT, "sh", *command], stdin=listener)
        print(child.pid, flush=True)
        if over.is_set():
            child.terminate()
        child.wait()


main(sys.argv[1:])
