// Runs a log of others, Tessera on files, and has its checkpoints cosigned by a witness.
// usage: feed FOLDER PRIVATE-KEY-OF-LOG WITNESS-URL VKEY-OF-WITNESS
package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"countersign.example/log/read"
	"github.com/transparency-dev/formats/log"
	fnote "github.com/transparency-dev/formats/note"
	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	signer, err := note.NewSigner(os.Args[2])
	read.Must(err)
	address, err := url.Parse(os.Args[3])
	read.Must(err)
	one, err := tessera.NewWitness(os.Args[4], address)
	read.Must(err)
	cosigner, err := fnote.NewVerifierForCosignatureV1(os.Args[4])
	read.Must(err)
	driver, err := posix.New(ctx, posix.Config{Path: os.Args[1]})
	read.Must(err)
	options := tessera.NewAppendOptions().
		WithCheckpointSigner(signer).
		WithCheckpointInterval(100*time.Millisecond).
		WithBatching(8, 50*time.Millisecond).
		WithWitnesses(tessera.NewWitnessGroup(1, one), nil)
	appender, shutdown, reader, err := tessera.NewAppender(ctx, driver, options)
	read.Must(err)
	await := tessera.NewPublicationAwaiter(ctx, reader.ReadCheckpoint, 50*time.Millisecond)
	seen := 0
	for size := uint64(0); size < 3; size++ {
		_, published, err := await.Await(ctx, appender.Add(ctx, tessera.NewEntry(fmt.Appendf(nil, "entry %d", size))))
		read.Must(err)
		opened, err := note.Open(published, note.VerifierList(cosigner))
		read.Must(err)
		var head log.Checkpoint
		_, err = head.Unmarshal([]byte(opened.Text))
		read.Must(err)
		if head.Size < size+1 {
			read.Must(errors.New("the checkpoint does not hold the entry"))
		}
		seen++
	}
	read.Must(shutdown(ctx))
	fmt.Printf("%d checkpoints, each continuing the one before\n", seen)
}
