'use strict';
// Driver of kafkajs; snappy, lz4 and zstd come from codec packages, as its documentation says.

const { Kafka, CompressionTypes, CompressionCodecs, Partitioners, logLevel } = require('kafkajs');
const { version } = require('kafkajs/package.json');
const SnappyCodec = require('kafkajs-snappy');
const LZ4Codec = require('kafkajs-lz4');
const zstd = require('@bokuweb/zstd-wasm');
const { messagesOf, operations, serve, shown } = require('./contract');

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

async function produce({ topic, partition, codec, records }) {
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  await producer.send({ topic, acks: -1, compression: CODECS[codec], messages: messagesOf(partition, records) });
  await producer.disconnect();
}

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

zstd.init().then(() => serve({ version: () => version, produce, ...operations(kafka, run) }));
