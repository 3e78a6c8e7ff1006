// Package read fetches a log's files (C2SP tlog-tiles) as they are served.
package read

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
)

// File fetches one file of the log, or ends the program.
func File(base, name string) []byte {
	answer, err := http.Get(base + "/" + name)
	Must(err)
	defer answer.Body.Close()
	bytes, err := io.ReadAll(answer.Body)
	Must(err)
	if answer.StatusCode != http.StatusOK {
		Must(fmt.Errorf("%s: %s", name, answer.Status))
	}
	return bytes
}

// Entries fetches the first `size` entries of the log.
func Entries(base string, size uint64) [][]byte {
	var entries [][]byte
	for bundle := uint64(0); bundle*256 < size; bundle++ {
		name := fmt.Sprintf("%03d", bundle%1000)
		for rest := bundle / 1000; rest > 0; rest /= 1000 {
			name = fmt.Sprintf("x%03d/%s", rest%1000, name)
		}
		if width := size - bundle*256; width < 256 {
			name = fmt.Sprintf("%s.p/%d", name, width)
		}
		bytes := File(base, "tile/entries/"+name)
		for len(bytes) > 0 {
			length := int(binary.BigEndian.Uint16(bytes))
			entries = append(entries, bytes[2:2+length])
			bytes = bytes[2+length:]
		}
	}
	if uint64(len(entries)) != size {
		Must(fmt.Errorf("%d entries instead of %d", len(entries), size))
	}
	return entries
}

// Must ends the program when something is wrong.
func Must(err error) {
	if err != nil {
		panic(err)
	}
}
