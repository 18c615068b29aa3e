"""gRPC for Python as a client of unary calls on bytes: all over one channel, a number of them at a time.

Usage: grpc_python.py HOST:PORT AUTHORITY CALLS [PATH FILE]... Sends each file CALLS times, then asks for health. Exits with 1 and
names the first status if a call is not answered with OK.
"""
import sys
import threading

import grpc

IN_FLIGHT = 64
target, authority, calls, *rest = sys.argv[1:]
channel = grpc.insecure_channel(target, options=[("grpc.default_authority", authority)])
requests = []
for path, file in zip(rest[::2], rest[1::2]):
    with open(file, "rb") as body:
        requests.append((channel.unary_unary(path), body.read()))

places = threading.Semaphore(IN_FLIGHT)
futures = []
for _ in range(int(calls)):
    for method, body in requests:
        places.acquire()
        future = method.future(body)
        future.add_done_callback(lambda _: places.release())
        futures.append(future)
for future in futures:
    try:
        future.result()
    except grpc.RpcError as error:
        sys.exit(f"{error.code()}: {error.details()}")
# As kubelet's probe asks: no service's name, and SERVING is 1.
health = channel.unary_unary("/grpc.health.v1.Health/Check")(b"")
if health != b"\x08\x01":
    sys.exit(f"health is {health}")
print(f"{len(futures)} calls answered with OK")
