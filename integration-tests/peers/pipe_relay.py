"""A stand-in for kuma-dp's pipe: OTLP/gRPC on a unix socket, each call passed on 1:1 over one connection.

Usage: pipe_relay.py SOCKET HOST:PORT. No queue, no batching, no retry; the status goes back to the caller.
"""
import json
import signal
import sys
import threading
from concurrent import futures

import grpc

socket, target = sys.argv[1:]
channel = grpc.insecure_channel(target, options=[("grpc.max_receive_message_length", 4 << 20)])


class Relay(grpc.GenericRpcHandler):
    def service(self, details):
        call = channel.unary_unary(details.method, request_serializer=None, response_deserializer=None)

        def export(request, context):
            try:
                return call(request)
            except grpc.RpcError as error:
                context.abort(error.code(), error.details())

        return grpc.unary_unary_rpc_method_handler(export)


server = grpc.server(futures.ThreadPoolExecutor(32))
server.add_generic_rpc_handlers((Relay(),))
server.add_insecure_port("unix:" + socket)
server.start()
stopped = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stopped.set())
print(json.dumps({"message": "relay ready"}), file=sys.stderr, flush=True)
stopped.wait()
server.stop(5).wait()
