"""Clients with certificates: gRPC for Python, and curl. One log record a call, with a text of its own.

Usage: tls_client.py once HOST:PORT FOLDER|plain|bare TEXT
       tls_client.py load GRPC HTTP FOLDER END

FOLDER has ca.crt, tls.crt and tls.key; `plain` speaks no TLS, and `bare FOLDER` shows no certificate.

`once` makes one gRPC call: it exits with 1 and names the status if that is not answered with OK.

`load` calls until the file END is there: over one gRPC channel, over a new one for each call, and by curl, which connects anew
each time. Meanwhile it looks at which certificate new connections are shown: a JSON line {"message": "certificate seen", "name": N}
on standard error once both ports have shown the certificate that is for the name N, and calls of each kind have begun and ended since.
At the end {"message": "load ended"} has the
number of `calls`, those that `failed`, and how often the one channel was `lost`.
"""
import json
import os
import socket
import ssl
import subprocess
import sys
import threading

import grpc
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

PATH = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"


def request(text):
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add()
    record.body.string_value = text
    return request.SerializeToString()


def read(folder, name):
    with open(os.path.join(folder, name), "rb") as file:
        return file.read()


def channel(target, folder, bare=False):
    # Else all channels of a process share connections.
    options = [("grpc.use_local_subchannel_pool", 1)]
    if folder == "plain":
        return grpc.insecure_channel(target, options)
    own = (None, None) if bare else (read(folder, "tls.key"), read(folder, "tls.crt"))
    return grpc.secure_channel(target, grpc.ssl_channel_credentials(read(folder, "ca.crt"), *own), options)


def call(channel, text):
    channel.unary_unary(PATH)(request(text), timeout=10)


def say(message, **more):
    print(json.dumps({"message": message, **more}), file=sys.stderr, flush=True)


def once(target, folder, *rest):
    bare = folder == "bare"
    if bare:
        folder, *rest = rest
    with channel(target, folder, bare) as connection:
        try:
            call(connection, rest[0])
        except grpc.RpcError as error:
            sys.exit(f"{error.code()}: {error.details()}")


def load(grpc_address, http_address, folder, end):
    calls, failed, lost = [], [], []
    ended = threading.Event()

    def keep(name, make):
        def run():
            number = 0
            while not ended.is_set():
                number += 1
                try:
                    make(f"{name}-{number}")
                    calls.append(name)
                except (grpc.RpcError, subprocess.CalledProcessError) as error:
                    failed.append(f"{name}-{number}: {error}")
        thread = threading.Thread(target=run)
        thread.start()
        return thread

    one = channel(grpc_address, folder)
    grpc.channel_ready_future(one).result(timeout=30)
    one.subscribe(lambda state: state == grpc.ChannelConnectivity.READY or lost.append(str(state)))

    def anew(text):
        with channel(grpc_address, folder) as connection:
            call(connection, text)

    def curl(text):
        files = ["--cacert", "ca.crt", "--cert", "tls.crt", "--key", "tls.key"]
        words = ["curl", "--silent", "--show-error", "--fail", "--max-time", "10", *files, "--output", os.devnull,
                 "--header", "content-type: application/x-protobuf", "--data-binary", "@-", f"https://{http_address}/v1/logs"]
        subprocess.run(words, input=request(text), cwd=folder, check=True, capture_output=True)

    threads = [keep("steady", lambda text: call(one, text)), keep("anew", anew), keep("curl", curl)]
    context = ssl.create_default_context(cafile=os.path.join(folder, "ca.crt"))
    context.load_cert_chain(os.path.join(folder, "tls.crt"), os.path.join(folder, "tls.key"))
    context.set_alpn_protocols(["h2"])

    def shown(address):
        host, port = address.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=10) as plain:
            with context.wrap_socket(plain, server_hostname=host) as secure:
                return [name for kind, name in secure.getpeercert()["subjectAltName"] if name.endswith(".test")]

    kinds = ["steady", "anew", "curl"]
    seen, before = None, {}
    while not os.path.exists(end):
        names = shown(grpc_address), shown(http_address)
        if names[0] == names[1] != seen:
            seen, before = names[0], {kind: calls.count(kind) for kind in kinds}
        # The first that ends may have begun before.
        if before and all(calls.count(kind) > count + 1 for kind, count in before.items()):
            before = {}
            say("certificate seen", name=seen[0])
    ended.set()
    for thread in threads:
        thread.join()
    say("load ended", calls={kind: calls.count(kind) for kind in kinds}, failed=failed, lost=lost[:])
    one.close()


{"once": once, "load": load}[sys.argv[1]](*sys.argv[2:])
