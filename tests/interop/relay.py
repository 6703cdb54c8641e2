# SPDX-License-Identifier: Apache-2.0
"""A TCP relay that remembers what went by and writes it as a capture file: no privilege needed."""
import socket
import struct
import threading

from process import LIMIT


class Relay:
    CLIENT_PORT, SERVER_PORT = 40000, 4433

    def __enter__(self):
        self.pieces, self.lock, self.threads = [], threading.Lock(), []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(LIMIT)
        return self

    def __exit__(self, *_):
        self.listener.close()

    def start(self, target):
        self._run(self._serve, target)
        return self.listener.getsockname()[1]

    def join(self):
        for thread in self.threads:
            thread.join(LIMIT)

    def _run(self, work, *args):
        thread = threading.Thread(target=work, args=args, daemon=True)
        self.threads.append(thread)
        thread.start()

    def _serve(self, target):
        client, _ = self.listener.accept()
        server = socket.create_connection(("127.0.0.1", target), LIMIT)
        for s in (client, server):
            s.settimeout(LIMIT)
        other = threading.Thread(target=self._pump, args=(server, client, False), daemon=True)
        other.start()
        self._pump(client, server, True)
        other.join(LIMIT)
        client.close()
        server.close()

    def _pump(self, source, sink, from_client):
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    sink.shutdown(socket.SHUT_WR)
                    return
                with self.lock:
                    self.pieces.append((from_client, data))
                sink.sendall(data)
        except OSError:
            return

    def write_pcap(self, path):
        """Link type 101, raw IP: a made-up three-way handshake, then the data in order."""
        seq, clock = {True: 1000, False: 5000}, 0
        packets = [self._packet(True, 999, 0, 2, b""), self._packet(False, 4999, 1000, 0x12, b""),
                   self._packet(True, 1000, 5000, 0x10, b"")]
        for from_client, data in self.pieces:
            for at in range(0, len(data), 1400):
                piece = data[at:at + 1400]
                packets.append(self._packet(from_client, seq[from_client], seq[not from_client],
                                            0x18,
                                            piece))
                seq[from_client] += len(piece)
        with open(path, "wb") as f:
            f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
            for packet in packets:
                clock += 1
                f.write(struct.pack("<IIII", 1700000000, clock, len(packet), len(packet)) + packet)

    def _packet(self, from_client, seq, ack, bits, data):
        ports = (self.CLIENT_PORT, self.SERVER_PORT)
        hosts = (b"\x0a\x00\x00\x01", b"\x0a\x00\x00\x02")
        if not from_client:
            ports, hosts = ports[::-1], hosts[::-1]
        tcp = struct.pack(">HHIIBBHHH", *ports, seq, ack, 0x50, bits, 65535, 0, 0)
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 40 + len(data), 0, 0, 64, 6, 0) + hosts[0] + hosts[1]
        return ip + tcp + data
