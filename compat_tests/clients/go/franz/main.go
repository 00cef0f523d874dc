// Command franz drives franz-go (see ../../README.md).
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"kwire/compat/contract"
)

var codecs = map[string]kgo.CompressionCodec{
	"none":   kgo.NoCompression(),
	"gzip":   kgo.GzipCompression(),
	"snappy": kgo.SnappyCompression(),
	"lz4":    kgo.Lz4Compression(),
	"zstd":   kgo.ZstdCompression(),
}

func client(options ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append(options, kgo.SeedBrokers(os.Args[1]))...)
}

func deadline() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), contract.Deadline)
}

func create(r contract.Request) (any, error) {
	cl, err := client()
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	ctx, cancel := deadline()
	defer cancel()
	_, err = kadm.NewClient(cl).CreateTopic(ctx, r.PartitionCount(), 1, nil, r.Topic)
	return nil, err
}

func produce(r contract.Request) (any, error) {
	cl, err := client(
		kgo.ProducerBatchCompression(codecs[r.Codec]),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(20*time.Millisecond),
	)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	ctx, cancel := deadline()
	defer cancel()
	records := make([]*kgo.Record, len(r.Records))
	for i, each := range r.Records {
		records[i] = &kgo.Record{
			Topic: r.Topic, Partition: r.Partition, Key: each.Key, Value: each.Value,
			Timestamp: time.UnixMilli(each.Timestamp),
		}
		for _, h := range each.Headers {
			records[i].Headers = append(records[i].Headers, kgo.RecordHeader{Key: h.Name, Value: h.Value})
		}
	}
	return nil, cl.ProduceSync(ctx, records...).FirstErr()
}

func shown(r *kgo.Record) contract.Record {
	headers := []contract.Header{}
	for _, h := range r.Headers {
		headers = append(headers, contract.Header{Name: h.Key, Value: h.Value})
	}
	return contract.Record{
		Partition: r.Partition, Offset: r.Offset, Timestamp: r.Timestamp.UnixMilli(),
		Key: r.Key, Value: r.Value, Headers: headers,
	}
}

// read polls until there are count records.
func read(cl *kgo.Client, count int) ([]contract.Record, []*kgo.Record, error) {
	ctx, cancel := deadline()
	defer cancel()
	var records []contract.Record
	var raw []*kgo.Record
	for len(records) < count {
		fetches := cl.PollRecords(ctx, count-len(records))
		if err := fetches.Err(); err != nil {
			return nil, nil, fmt.Errorf("%d of %d records: %w", len(records), count, err)
		}
		for _, r := range fetches.Records() {
			records, raw = append(records, shown(r)), append(raw, r)
		}
	}
	return records, raw, nil
}

func readFrom(topic string, partitions map[int32]kgo.Offset, count int) (any, error) {
	cl, err := client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: partitions}))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	records, _, err := read(cl, count)
	return records, err
}

func consume(r contract.Request) (any, error) {
	offsets := map[int32]kgo.Offset{}
	for _, p := range r.PartitionList() {
		offsets[p] = kgo.NewOffset().At(0)
	}
	return readFrom(r.Topic, offsets, r.Count)
}

func seek(r contract.Request) (any, error) {
	offsets := map[int32]kgo.Offset{}
	for _, p := range r.PartitionList() {
		offsets[p] = kgo.NewOffset().AfterMilli(r.Timestamp)
	}
	return readFrom(r.Topic, offsets, r.Count)
}

func inGroup(r contract.Request, more ...kgo.Opt) (*kgo.Client, error) {
	return client(append(more,
		kgo.ConsumerGroup(r.Group),
		kgo.ConsumeTopics(r.Topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
	)...)
}

func take(r contract.Request) (any, error) {
	cl, err := inGroup(r)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	records, raw, err := read(cl, r.Count)
	if err != nil {
		return nil, err
	}
	ctx, cancel := deadline()
	defer cancel()
	return records, cl.CommitRecords(ctx, raw...)
}

// member keeps its assignment by the client's callbacks.
type member struct {
	cl    *kgo.Client
	topic string
	mu    sync.Mutex
	held  []int32
}

func (m *member) gained(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held = append(m.held, parts[m.topic]...)
}

func (m *member) lost(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held = slices.DeleteFunc(m.held, func(p int32) bool { return slices.Contains(parts[m.topic], p) })
}

func (m *member) Assigned() []int32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(slices.Values(m.held))
}

func (m *member) Poll() ([]contract.Record, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	fetches := m.cl.PollFetches(ctx)
	for _, failure := range fetches.Errors() {
		if !errors.Is(failure.Err, context.DeadlineExceeded) {
			return nil, failure.Err
		}
	}
	var records []contract.Record
	for _, r := range fetches.Records() {
		records = append(records, shown(r))
	}
	return records, nil
}

func (m *member) Close() error {
	m.cl.Close()
	return nil
}

func group(r contract.Request) (any, error) {
	return contract.Share(func() (contract.Member, error) {
		m := &member{topic: r.Topic}
		var err error
		m.cl, err = inGroup(r, kgo.OnPartitionsAssigned(m.gained), kgo.OnPartitionsRevoked(m.lost), kgo.OnPartitionsLost(m.lost))
		return m, err
	}, r.PartitionCount(), r.Count)
}

func version(contract.Request) (any, error) {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/twmb/franz-go" {
			return module.Version, nil
		}
	}
	return nil, errors.New("the build information does not name franz-go")
}

func main() {
	contract.Serve(map[string]func(contract.Request) (any, error){
		"version": version, "create": create, "produce": produce, "consume": consume,
		"seek": seek, "take": take, "group": group,
	})
}
