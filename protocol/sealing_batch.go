package protocol

import (
	"errors"
	"fmt"
	"time"

	"github.com/klauspost/compress/zstd"
)

// ErrCompressed reports an opened batch that does not decompress within its limits.
var ErrCompressed = errors.New("the batch does not decompress")

// maxPlainBytes is the largest batch after decompression: one row of the largest size and its header.
const maxPlainBytes = MaxRowBytes + 64<<10

// zstdWindow bounds the memory of both sides; a batch is rarely larger.
const zstdWindow = 1 << 20

// Sealer compresses and seals batches. It keeps its compressor between calls and may be used by
// several goroutines at once.
type Sealer struct {
	enc *zstd.Encoder
}

// NewSealer returns a Sealer.
func NewSealer() (*Sealer, error) {
	enc, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(zstdWindow),
		zstd.WithLowerEncoderMem(true),
		zstd.WithSingleSegment(true), // the frame always declares its size
		zstd.WithEncoderCRC(false))   // the seal authenticates
	if err != nil {
		return nil, fmt.Errorf("make compressor: %w", err)
	}
	return &Sealer{enc: enc}, nil
}

// SealBatch compresses an encoded batch and seals it to the keyset's current key. The seal binds
// tenant, stream, gen, seq and the keyset's version: a ciphertext cannot be moved.
// It returns [ErrNoSealingKey] when the keyset has no key for now.
func (s *Sealer) SealBatch(ks *Keyset, now time.Time, h StreamHeader, encoded []byte) ([]byte, error) {
	pub, err := ks.SealTo(now)
	if err != nil {
		return nil, err
	}
	if len(encoded) > maxPlainBytes {
		return nil, &Reject{Code: CodeTooLarge, Detail: fmt.Sprintf("the batch has %d bytes, at most %d fit", len(encoded), maxPlainBytes)}
	}
	packed := s.enc.EncodeAll(encoded, make([]byte, 0, len(encoded)/2+64))
	return seal(pub, ks.Version, batchContext, batchPlace(h), packed)
}

// Opener opens and decompresses batches. It keeps its decompressor between calls and may be used
// by several goroutines at once.
type Opener struct {
	keys func(KeyID) (*SealingKey, bool)
	dec  *zstd.Decoder
}

// NewOpener returns an Opener that finds private keys through keys.
func NewOpener(keys func(KeyID) (*SealingKey, bool)) (*Opener, error) {
	dec, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(0),
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(maxPlainBytes),
		zstd.WithDecoderMaxWindow(8*zstdWindow),
		zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return nil, fmt.Errorf("make decompressor: %w", err)
	}
	return &Opener{keys: keys, dec: dec}, nil
}

// OpenBatch opens what [Sealer.SealBatch] sealed under the same header. The size that the
// compressed frame declares is held against the limit before anything of that size is allocated.
// Errors wrap [ErrSealed], [ErrSealedVersion], [ErrSealedKey] or [ErrCompressed].
func (o *Opener) OpenBatch(h StreamHeader, sealed []byte) ([]byte, error) {
	packed, err := open(o.keys, batchContext, batchPlace(h), sealed)
	if err != nil {
		return nil, err
	}
	var frame zstd.Header
	if err := frame.Decode(packed); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCompressed, err)
	}
	if !frame.HasFCS || frame.Skippable || frame.FrameContentSize > maxPlainBytes {
		return nil, fmt.Errorf("%w: it declares %d bytes, at most %d are taken", ErrCompressed, frame.FrameContentSize, maxPlainBytes)
	}
	encoded, err := o.dec.DecodeAll(packed, make([]byte, 0, frame.FrameContentSize))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCompressed, err)
	}
	if uint64(len(encoded)) != frame.FrameContentSize {
		return nil, fmt.Errorf("%w: it holds %d bytes and declares %d", ErrCompressed, len(encoded), frame.FrameContentSize)
	}
	return encoded, nil
}

func batchPlace(h StreamHeader) [][]byte {
	return [][]byte{number(int64(h.Tenant)), number(int64(h.Stream)), number(int64(h.Gen)), number(int64(h.Seq))}
}
