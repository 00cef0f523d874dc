// Package contract is the driver side of ../../README.md: JSON lines in, JSON lines out.
package contract

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"
)

// Deadline is how long one operation may take.
const Deadline = 40 * time.Second

// Header is [name, value] in JSON.
type Header struct {
	Name  string
	Value []byte
}

// MarshalJSON writes the pair as an array.
func (h Header) MarshalJSON() ([]byte, error) { return json.Marshal([]any{h.Name, h.Value}) }

// UnmarshalJSON reads the pair from an array.
func (h *Header) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, &[]any{&h.Name, &h.Value})
}

// Record is one record; []byte is base64 in JSON, and nil is null.
type Record struct {
	Partition int32    `json:"p"`
	Offset    int64    `json:"o"`
	Timestamp int64    `json:"t"`
	Key       []byte   `json:"k"`
	Value     []byte   `json:"v"`
	Headers   []Header `json:"h"`
}

// Request has the fields of every operation; each uses its own.
type Request struct {
	Op         string          `json:"op"`
	Topic      string          `json:"topic"`
	Group      string          `json:"group"`
	Codec      string          `json:"codec"`
	Partition  int32           `json:"partition"`
	Partitions json.RawMessage `json:"partitions"`
	Timestamp  int64           `json:"timestamp"`
	Count      int             `json:"count"`
	Records    []Record        `json:"records"`
}

// PartitionCount is the field "partitions" of create and group.
func (r Request) PartitionCount() (n int32) {
	_ = json.Unmarshal(r.Partitions, &n)
	return n
}

// PartitionList is the field "partitions" of consume and seek.
func (r Request) PartitionList() (list []int32) {
	_ = json.Unmarshal(r.Partitions, &list)
	return list
}

// Sharing is the result of "group".
type Sharing struct {
	Three   [][]int32 `json:"three"`
	Two     [][]int32 `json:"two"`
	Records []Record  `json:"records"`
}

// Member is a consumer in a group: what it holds now, what it has read since the last call, and its end.
type Member interface {
	Assigned() []int32
	Poll() ([]Record, error)
	Close() error
}

// Share runs three members, then two, until their shares cover all partitions and they have read count records.
func Share(join func() (Member, error), partitions int32, count int) (Sharing, error) {
	var members []Member
	var result Sharing
	defer func() {
		for _, m := range members {
			_ = m.Close()
		}
	}()
	for range 3 {
		m, err := join()
		if err != nil {
			return result, err
		}
		members = append(members, m)
	}
	until := time.Now().Add(Deadline)
	seen := map[[2]int64]bool{}
	settle := func() ([][]int32, error) {
		for {
			var shares [][]int32
			var all []int32
			for _, m := range members {
				records, err := m.Poll()
				if err != nil {
					return nil, err
				}
				for _, r := range records {
					if at := [2]int64{int64(r.Partition), r.Offset}; !seen[at] {
						seen[at] = true
						result.Records = append(result.Records, r)
					}
				}
				shares = append(shares, m.Assigned())
				all = append(all, m.Assigned()...)
			}
			slices.Sort(all)
			complete := int32(len(all)) == partitions && len(slices.Compact(all)) == int(partitions)
			if complete && !slices.ContainsFunc(shares, func(s []int32) bool { return len(s) == 0 }) {
				return shares, nil
			}
			if time.Now().After(until) {
				return nil, fmt.Errorf("assignments after %v: %v", Deadline, shares)
			}
		}
	}
	var err error
	if result.Three, err = settle(); err != nil {
		return result, err
	}
	leaver := members[2]
	members = members[:2]
	if err = leaver.Close(); err != nil {
		return result, err
	}
	if result.Two, err = settle(); err != nil {
		return result, err
	}
	for len(seen) < count {
		if _, err = settle(); err != nil {
			return result, err
		}
		if time.Now().After(until) {
			return result, fmt.Errorf("%d of %d records after %v", len(seen), count, Deadline)
		}
	}
	return result, nil
}

// Serve answers requests until standard input ends.
func Serve(operations map[string]func(Request) (any, error)) {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var request Request
		var result any
		err := json.Unmarshal(lines.Bytes(), &request)
		if err == nil {
			result, err = operations[request.Op](request)
		}
		if err != nil {
			_ = answers.Encode(map[string]string{"error": err.Error()})
			continue
		}
		_ = answers.Encode(map[string]any{"ok": result})
	}
}
