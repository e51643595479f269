package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/client"
)

// A record for any producer that can set headers: written only if nobody has
// written acct:7, or the daily limits, since offset 12.
func ExampleAttach() {
	r := client.Attach(&kgo.Record{Topic: "accounts", Value: []byte("120")}, 12,
		client.Write("acct:7"), client.Read("daily limits").At(9))
	for _, h := range r.Headers {
		fmt.Printf("%s: %s\n", h.Key, h.Value)
	}
	// Output:
	// lock-write: acct:7
	// lock-read: daily%20limits@9
	// lock-basis: 12
}

// The text of a refusal that a client of another kind has shown.
func ExampleParse() {
	e, ok := client.Parse(
		`CONFLICT lock=acct:7 last=18 basis=12 by=req-9 record=0: lock "acct:7" was written at offset 18, after your basis 12; read up to offset 18 and try again`)
	fmt.Println(ok, e.Lock, e.Last, e.By, errors.Is(e, client.ErrConflict))
	// Output: true acct:7 18 req-9 true
}

// One conditional append. The id makes it safe to do again whatever happened.
func ExampleClient_Append() {
	cl, err := kgo.NewClient(kgo.SeedBrokers("localhost:9092"))
	if err != nil {
		log.Fatal(err)
	}
	defer cl.Close()
	c, err := client.New(cl)
	if err != nil {
		log.Fatal(err) // client.ErrUnsupported, if these are brokers of another kind
	}
	defer c.Close()

	cond := client.Cond{ID: "order-4711", Basis: client.None, Locks: []client.Lock{client.Write("order:4711")}}
	result, err := c.Append(context.Background(), "orders", 0, cond, &kgo.Record{Value: []byte("created")})
	var refused *client.Error
	switch {
	case errors.As(err, &refused):
		fmt.Println("the order exists, at offset", refused.Last)
	case err != nil:
		log.Fatal(err)
	default:
		fmt.Println("created at offset", result.Offset)
	}
}

// accounts is the state of a bank: balances by account.
type accounts map[string]int

func (a *accounts) apply(r *kgo.Record) {
	balance, _ := strconv.Atoi(string(r.Value))
	(*a)[string(r.Key)] = balance
}

// A transfer that is serializable: it is decided on a state, and appended only
// if both accounts are still as they were decided on.
func ExampleView_Update() {
	cl, err := kgo.NewClient(kgo.SeedBrokers("localhost:9092"))
	if err != nil {
		log.Fatal(err)
	}
	defer cl.Close()
	c, err := client.New(cl)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	bank, err := client.NewView(c, "accounts", 0, accounts{}, (*accounts).apply)
	if err != nil {
		log.Fatal(err)
	}
	defer bank.Close()

	set := func(account string, balance int) *kgo.Record {
		return &kgo.Record{Key: []byte(account), Value: []byte(strconv.Itoa(balance))}
	}
	_, err = bank.Update(context.Background(), func(tx *client.Tx, a accounts) error {
		if a["alice"] < 10 {
			return errors.New("not covered")
		}
		tx.Lock(client.Write("alice"), client.Write("bob"))
		tx.Append(set("alice", a["alice"]-10), set("bob", a["bob"]+10))
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
}

// A transfer between accounts of two partitions: all of it is in the logs, or none.
func ExampleTransactor_Update() {
	cl, err := kgo.NewClient(kgo.SeedBrokers("localhost:9092"))
	if err != nil {
		log.Fatal(err)
	}
	defer cl.Close()
	c, err := client.New(cl)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	var parts [2]*client.View[accounts]
	for p := range parts {
		if parts[p], err = client.NewView(c, "accounts", int32(p), accounts{}, (*accounts).apply); err != nil {
			log.Fatal(err)
		}
		defer parts[p].Close()
	}
	tellers, err := client.NewTransactor(c, "teller-host7")
	if err != nil {
		log.Fatal(err)
	}
	defer tellers.Close()

	set := func(tx *client.Tx, account string, balance int) {
		tx.Lock(client.Write(account))
		tx.Append(&kgo.Record{Key: []byte(account), Value: []byte(strconv.Itoa(balance))})
	}
	_, err = tellers.Update(context.Background(), func(j *client.JointTx) error {
		source, a := parts[0].In(j)
		target, b := parts[1].In(j)
		if a["alice"] < 10 {
			return errors.New("not covered")
		}
		set(source, "alice", a["alice"]-10)
		set(target, "bob", b["bob"]+10)
		return nil
	}, parts[0], parts[1])
	if err != nil {
		log.Fatal(err)
	}
}
