// gRPC for JavaScript as a client of unary calls on bytes: all over one channel, a number of them at a time.
//
// Usage: node grpc_js.js HOST:PORT AUTHORITY CALLS [PATH FILE]..., run where node_modules has @grpc/grpc-js. Sends each file CALLS
// times. Exits with 1 and names the first status if a call is not answered with OK.
'use strict';
const fs = require('node:fs');
const path = require('node:path');
const { createRequire } = require('node:module');
const grpc = createRequire(path.join(process.cwd(), 'package.json'))('@grpc/grpc-js');

const IN_FLIGHT = 64;
const [target, authority, calls, ...rest] = process.argv.slice(2);
const requests = [];
for (let i = 0; i < rest.length; i += 2) {
  requests.push({ path: rest[i], body: fs.readFileSync(rest[i + 1]) });
}

const client = new grpc.Client(target, grpc.credentials.createInsecure(), { 'grpc.default_authority': authority });
const same = (bytes) => bytes;
const call = ({ path: method, body }) => new Promise((resolve, reject) => {
  client.makeUnaryRequest(method, same, same, body, (error, answer) => (error ? reject(error) : resolve(answer)));
});

async function caller(queue) {
  for (let next = queue.pop(); next; next = queue.pop()) await call(next);
}

async function main() {
  const queue = [];
  for (let i = 0; i < Number(calls); i += 1) queue.push(...requests);
  const total = queue.length;
  await Promise.all(Array.from({ length: IN_FLIGHT }, () => caller(queue)));
  client.close();
  console.log(`${total} calls answered with OK`);
}

main().catch((error) => { console.error(String(error)); process.exit(1); });
