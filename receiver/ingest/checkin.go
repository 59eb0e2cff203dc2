package ingest

import (
	"encoding/json"
	"fmt"
	"time"

	"lessor.dk/portalsync/protocol"
)

const (
	maxReports = 50 // reports in one answer
	maxRereads = 100
)

// checkIn tells an agent the state of its stream and what waits for it. It keeps the agent's own status first,
// and may hold the answer until there is news.
func (in *Ingest) checkIn(c *call) (any, error) {
	var r protocol.CheckInRequest
	if err := c.message(&r); err != nil {
		return nil, err
	}
	if r.Stream != c.agent.Stream {
		return nil, notYours()
	}
	if err := in.store.SaveCheckIn(c.Context(), c.agent.Tenant, c.agent.Agent, r.Status, c.address, c.now); err != nil {
		return nil, err
	}
	r.Status = protocol.AgentStatus{} // a poll that waits holds almost nothing
	news := in.queue.Watch(r.Stream)  // before the first look, so that nothing falls between
	defer news.Close()
	wait := min(time.Duration(r.WaitMillis)*time.Millisecond, in.cfg.MaxWait)
	deadline(c.writer, wait+in.cfg.Timeout)
	timeout := time.NewTimer(max(wait, 0))
	defer timeout.Stop()
	for last := wait <= 0; ; {
		answer, changed, err := in.look(c, &r)
		if err != nil || changed || last {
			return answer, err
		}
		in.metrics.waiting.Inc()
		select {
		case <-news.C:
		case <-timeout.C:
			last = true
		case <-in.drained:
			last = true
		case <-c.Context().Done(): // the agent hung up: nobody reads the answer
			last = true
		}
		in.metrics.waiting.Dec()
	}
}

// look reads the state of the agent's stream and says whether it differs from what the agent knows.
func (in *Ingest) look(c *call, r *protocol.CheckInRequest) (*protocol.CheckInAnswer, bool, error) {
	tenant, stream := c.agent.Tenant, c.agent.Stream
	// The queue first: a batch that the writer finishes between the two looks is then seen as applied. The other way
	// round it would be seen as neither applied nor queued, and the agent would take it for lost (stall rule).
	enqueued, queued, err := in.queue.State(c.Context(), tenant, stream, r.Gen)
	if err != nil {
		return nil, false, err
	}
	st, kinds, err := in.store.StreamState(c.Context(), tenant, stream)
	if err != nil {
		return nil, false, err
	}
	if st.Gen != r.Gen {
		enqueued, queued = 0, 0
	}
	reports, err := in.store.PendingReports(c.Context(), tenant, stream, maxReports)
	if err != nil {
		return nil, false, err
	}
	rereads, err := in.store.Rereads(c.Context(), tenant, stream, maxRereads)
	if err != nil {
		return nil, false, err
	}
	a := &protocol.CheckInAnswer{
		Gen:        st.Gen,
		AppliedSeq: st.AppliedSeq,
		Enqueued:   max(enqueued, st.AppliedSeq),
		Queued:     queued,
		Lineage:    st.Lineage,
		Position:   st.Position,
		Kinds:      kinds,
		Reread:     rereads,
		Keyset:     in.keys.Version(),
		ServerTime: in.cfg.Now().UnixMilli(),
	}
	for _, report := range reports {
		sealed, err := c.sealedReport(report)
		if err != nil {
			return nil, false, err
		}
		a.Reports = append(a.Reports, sealed)
	}
	changed := a.Gen != r.Gen || a.AppliedSeq != r.AppliedSeq || protocol.HashKinds(kinds) != r.KindsHash
	offered := in.offers.fresh(stream, a, in.cfg.Now())
	return a, changed || offered, nil
}

func (c *call) sealedReport(r protocol.Report) (protocol.SealedReport, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return protocol.SealedReport{}, fmt.Errorf("encode report %s: %w", r.ID, err)
	}
	sealed, err := c.sealToAgent(protocol.PurposeReport, string(r.ID), text)
	return protocol.SealedReport{ID: r.ID, Sealed: sealed}, err
}

// ackReports keeps what the main system did with reports.
func (in *Ingest) ackReports(c *call) (any, error) {
	var r protocol.AckRequest
	if err := c.message(&r); err != nil {
		return nil, err
	}
	if r.Stream != c.agent.Stream {
		return nil, notYours()
	}
	for _, a := range r.Acks {
		if a.ID == "" || (a.Outcome != protocol.AckStored && a.Outcome != protocol.AckRefused && a.Outcome != protocol.AckConflict) {
			return nil, malformed("an acknowledgement has an id and the outcome %s, %s or %s", protocol.AckStored, protocol.AckRefused, protocol.AckConflict)
		}
	}
	if err := in.store.AckReports(c.Context(), c.agent.Tenant, c.agent.Stream, r.Acks); err != nil {
		return nil, err
	}
	return struct{}{}, nil
}
