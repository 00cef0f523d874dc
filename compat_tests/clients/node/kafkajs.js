'use strict';
// Driver of kafkajs; snappy, lz4 and zstd come from codec packages, as its documentation says.

const { Kafka, CompressionTypes, CompressionCodecs, Partitioners, logLevel } = require('kafkajs');
const { version } = require('kafkajs/package.json');
const SnappyCodec = require('kafkajs-snappy');
const LZ4Codec = require('kafkajs-lz4');
const zstd = require('@bokuweb/zstd-wasm');
const { fromBase64, headersOf, serve, share, shown, until } = require('./contract');

CompressionCodecs[CompressionTypes.Snappy] = SnappyCodec;
CompressionCodecs[CompressionTypes.LZ4] = new LZ4Codec().codec;
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async (encoder) => Buffer.from(zstd.compress(encoder.buffer)),
  decompress: async (buffer) => Buffer.from(zstd.decompress(buffer)),
});
const CODECS = {
  none: CompressionTypes.None, gzip: CompressionTypes.GZIP, snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4, zstd: CompressionTypes.ZSTD,
};

const kafka = new Kafka({ brokers: [process.argv[2]], logLevel: logLevel.WARN });
let reading = 0; // kafkajs only reads as a member of a group, so every reader has a group of its own

async function create({ topic, partitions }) {
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: partitions, replicationFactor: 1 }] });
  await admin.disconnect();
}

async function produce({ topic, partition, codec, records }) {
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  const messages = records.map((each) => ({
    partition, key: fromBase64(each.k), value: fromBase64(each.v), timestamp: String(each.t), headers: headersOf(each.h),
  }));
  await producer.send({ topic, acks: -1, compression: CODECS[codec], messages });
  await producer.disconnect();
}

/** Run a consumer; `seen` gets each record, `offsets` (by partition) are where it starts. */
async function run({ topic, group, seen, offsets = {} }) {
  const consumer = kafka.consumer({ groupId: group, maxWaitTimeInMs: 200 });
  let held = [];
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => { held = payload.memberAssignment[topic] || []; });
  consumer.on(consumer.events.REBALANCING, () => { held = []; });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({ autoCommit: false, eachMessage: async ({ partition, message }) => seen(shown(partition, message)) });
  for (const [partition, offset] of Object.entries(offsets)) consumer.seek({ topic, partition: Number(partition), offset });
  return { consumer, assigned: () => held, close: () => consumer.disconnect() };
}

/** Read until there are `count` records at or behind the offsets; what came before a seek took effect is dropped. */
async function read({ topic, group, offsets, count, then = async () => {} }) {
  const records = [];
  const seen = (record) => {
    const wanted = offsets === undefined || record.o >= Number(offsets[record.p] ?? Infinity);
    if (wanted && records.length < count && !records.some((r) => r.p === record.p && r.o === record.o)) records.push(record);
  };
  const member = await run({ topic, group, seen, offsets });
  try {
    await until(() => records.length >= count, () => `${records.length} of ${count} records`);
    await then(member.consumer, records);
    return records;
  } finally {
    await member.close();
  }
}

function consume({ topic, partitions, count }) {
  const offsets = Object.fromEntries(partitions.map((p) => [p, '0']));
  return read({ topic, group: `${topic}-reader-${reading++}`, offsets, count });
}

async function seek({ topic, partitions, timestamp, count }) {
  const admin = kafka.admin();
  await admin.connect();
  const found = await admin.fetchTopicOffsetsByTimestamp(topic, timestamp);
  await admin.disconnect();
  const offsets = Object.fromEntries(found.filter((f) => partitions.includes(f.partition)).map((f) => [f.partition, f.offset]));
  return read({ topic, group: `${topic}-reader-${reading++}`, offsets, count });
}

function take({ topic, group, count }) {
  const commit = (consumer, records) => {
    const next = new Map(records.map((r) => [r.p, r.o + 1]));
    return consumer.commitOffsets([...next].map(([partition, offset]) => ({ topic, partition, offset: String(offset) })));
  };
  return read({ topic, group, count, then: commit });
}

zstd.init().then(() => serve({
  version: () => version,
  create, produce, consume, seek, take,
  group: ({ topic, group, partitions, count }) => share((seen) => run({ topic, group, seen }), partitions, count),
}));
