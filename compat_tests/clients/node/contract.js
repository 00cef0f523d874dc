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

/**
 * The operations that are alike in both clients. `run({ topic, group, seen, offsets })` starts a consumer that hands
 * each record to `seen`, begins at `offsets` (text, by partition) if there are any, and resolves to
 * { consumer, assigned(), close() }.
 */
function operations(kafka, run) {
  let readers = 0; // both clients only read as a member of a group: every reader has one of its own

  /** Read until there are `count` records; what came before a seek took effect is dropped. */
  async function read({ topic, group = `${topic}-reader-${readers++}`, offsets, count, then = async () => {} }) {
    const records = new Map();
    const seen = (record) => {
      const wanted = offsets === undefined || record.o >= Number(offsets[record.p] ?? Infinity);
      if (wanted && records.size < count) records.set(`${record.p}/${record.o}`, record);
    };
    const member = await run({ topic, group, seen, offsets });
    try {
      await until(() => records.size >= count, () => `${records.size} of ${count} records`);
      await then(member.consumer, [...records.values()]);
      return [...records.values()];
    } finally {
      await member.close();
    }
  }

  async function withAdmin(work) {
    const admin = kafka.admin();
    await admin.connect();
    try {
      return await work(admin);
    } finally {
      await admin.disconnect();
    }
  }

  async function create({ topic, partitions }) {
    await withAdmin((admin) => admin.createTopics({ topics: [{ topic, numPartitions: partitions, replicationFactor: 1 }] }));
  }

  function consume({ topic, partitions, count }) {
    return read({ topic, offsets: Object.fromEntries(partitions.map((p) => [p, '0'])), count });
  }

  async function seek({ topic, partitions, timestamp, count }) {
    const found = await withAdmin((admin) => admin.fetchTopicOffsetsByTimestamp(topic, timestamp));
    const wanted = found.filter((each) => partitions.includes(each.partition));
    return read({ topic, offsets: Object.fromEntries(wanted.map((each) => [each.partition, each.offset])), count });
  }

  function take({ topic, group, count }) {
    const commit = (consumer, records) => {
      const next = new Map(records.map((r) => [r.p, r.o + 1]));
      return consumer.commitOffsets([...next].map(([partition, offset]) => ({ topic, partition, offset: String(offset) })));
    };
    return read({ topic, group, count, then: commit });
  }

  const group = (fields) => share((seen) => run({ ...fields, seen }), fields.partitions, fields.count);
  return { create, consume, seek, take, group };
}

/** Records of the contract as messages of `producer.send`. */
const messagesOf = (partition, records) => records.map((each) => ({
  partition, key: fromBase64(each.k), value: fromBase64(each.v), timestamp: String(each.t), headers: headersOf(each.h),
}));

/** Answer requests, one after the other, until standard input ends. */
async function serve(answers) {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { op, ...fields } = JSON.parse(line);
    let answer;
    try {
      answer = { ok: (await answers[op](fields)) ?? null };
    } catch (problem) {
      console.error(problem);
      answer = { error: String(problem) };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
  process.exit(0);
}

module.exports = { messagesOf, operations, serve, shown, until };
