package cell

import (
	"errors"
	"math"
	"strconv"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/record"
)

// pow10 holds the factors of the scales a field may have.
var pow10 = [...]int64{1, 10, 100, 1000, 10_000, 100_000, 1_000_000}

// maxExactFloat bounds the whole numbers that a float64 and its shortest spelling hold alike.
const maxExactFloat = 1e15

func formatInt(n int64) string { return strconv.FormatInt(n, 10) }

func formatFloat(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

func integer(dst *protocol.Value, v any) error {
	var n int64
	switch v := v.(type) {
	case int64:
		n = v
	case bool:
		if v {
			n = 1
		}
	case float64:
		if math.Trunc(v) != v {
			return ErrWhole
		}
		if math.Abs(v) >= maxExactFloat {
			return ErrRange
		}
		n = int64(v)
	case string:
		whole, err := parseDecimal([]byte(v), 0)
		if errors.Is(err, ErrScale) {
			return ErrWhole
		}
		if err != nil {
			return err
		}
		n = whole
	default:
		return ErrKind
	}
	*dst = protocol.Value{Kind: protocol.Int, N: n}
	return nil
}

func (c *Converter) decimal(dst *protocol.Value, v any) error {
	var n int64
	var err error
	scale := c.field.Scale
	switch v := v.(type) {
	case int64:
		if v > record.MaxDecimal/pow10[scale] || v < -record.MaxDecimal/pow10[scale] {
			return ErrRange
		}
		n = v * pow10[scale]
	case float64:
		n, err = c.decimalOfFloat(v)
	case string:
		c.digits = append(c.digits[:0], v...)
		n, err = parseDecimal(c.digits, scale)
	case []byte:
		n, err = parseDecimal(v, scale)
	default:
		err = ErrKind
	}
	*dst = protocol.Value{Kind: protocol.Int, N: n}
	return err
}

// decimalOfFloat reads a float by its shortest decimal spelling, the one a person wrote: 125.5 and not
// the binary fraction nearest to it. Below maxExactFloat the product tells directly, because at most
// fifteen digits survive the way to float64 and back.
func (c *Converter) decimalOfFloat(f float64) (int64, error) {
	factor := float64(pow10[c.field.Scale])
	if n := math.RoundToEven(f * factor); math.Abs(n) < maxExactFloat && n/factor == f {
		return int64(n), nil
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, ErrNumber
	}
	c.digits = strconv.AppendFloat(c.digits[:0], f, 'f', -1, 64)
	return parseDecimal(c.digits, c.field.Scale)
}

// parseDecimal reads [+-]digits[.digits] as an unscaled number. Zeros beyond the scale are no digits.
func parseDecimal(s []byte, scale int) (int64, error) {
	negative := false
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		negative = s[0] == '-'
		s = s[1:]
	}
	var n int64
	digits, fraction, point := 0, 0, false
	for _, b := range s {
		switch {
		case b == '.' && !point:
			point = true
			continue
		case b < '0' || b > '9':
			return 0, ErrNumber
		}
		digits++
		if point && fraction == scale {
			if b != '0' {
				return 0, ErrScale
			}
			continue
		}
		if n > record.MaxDecimal/10 {
			return 0, ErrRange
		}
		n = n*10 + int64(b-'0')
		if point {
			fraction++
		}
	}
	if digits == 0 {
		return 0, ErrNumber
	}
	for ; fraction < scale; fraction++ {
		if n > record.MaxDecimal/10 {
			return 0, ErrRange
		}
		n *= 10
	}
	if negative {
		n = -n
	}
	return n, nil
}
