'use strict';
// The driver contract of ../README.md: JSON lines in, JSON lines out. Both JavaScript clients have the API of kafkajs.

const readline = require('node:readline');

const DEADLINE_MS = 40000;

const fromBase64 = (text) => (text === null ? null : Buffer.from(text, 'base64'));
const toBase64 = (data) => (data === null || data === undefined ? null : Buffer.from(data).toString('base64'));

/** Headers of the contract as an object; a name that comes twice has an array of values. */
function headersOf(pairs) {
  const headers = {};
  for (const [name, value] of pairs) {
    const data = fromBase64(value);
    headers[name] = name in headers ? [].concat(headers[name], data) : data;
  }
  return headers;
}

/** A consumed message as the contract shows it. */
function shown(partition, message) {
  const headers = [];
  for (const [name, values] of Object.entries(message.headers || {})) {
    for (const value of [].concat(values)) headers.push([name, toBase64(value)]);
  }
  return {
    p: partition, o: Number(message.offset), t: Number(message.timestamp),
    k: toBase64(message.key), v: toBase64(message.value), h: headers,
  };
}

/** Wait until `done()` is true; rejects after the deadline with `state()` in its text. */
async function until(done, state) {
  const end = Date.now() + DEADLINE_MS;
  while (!done()) {
    if (Date.now() > end) throw new Error(`after ${DEADLINE_MS} ms: ${state()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Three members share the partitions, one leaves, two share them again; `join(seen)` gives { assigned(), close() }. */
async function share(join, partitions, count) {
  const seen = new Map();
  const keep = (record) => seen.set(`${record.p}/${record.o}`, record);
  const members = await Promise.all([join(keep), join(keep), join(keep)]);
  const shares = () => members.map((member) => member.assigned().slice().sort((a, b) => a - b));
  const settled = () => {
    const now = shares();
    const all = now.flat().sort((a, b) => a - b);
    return now.every((held) => held.length) && all.length === partitions && all.every((p, i) => p === i);
  };
  const state = () => `${JSON.stringify(shares())}, ${seen.size} records`;
  try {
    await until(settled, state);
    const three = shares();
    await members.pop().close();
    await until(settled, state);
    const two = shares();
    await until(() => seen.size >= count, state);
    return { three, two, records: [...seen.values()] };
  } finally {
    await Promise.all(members.map((member) => member.close()));
  }
}

/** Answer requests, one after the other, until standard input ends. */
async function serve(operations) {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { op, ...fields } = JSON.parse(line);
    let answer;
    try {
      answer = { ok: (await operations[op](fields)) ?? null };
    } catch (problem) {
      console.error(problem);
      answer = { error: String(problem) };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
  process.exit(0);
}

module.exports = { fromBase64, headersOf, serve, share, shown, until };
