package cell

import (
	"fmt"
	"strconv"
	"time"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/record"
)

// Format spells a cell for a person at the customer's own console: decimals with a point, dates as
// YYYY-MM-DD, instants in zone. A cell that holds bytes is told by its length. The result is payroll data.
func Format(f record.Field, v protocol.Value, zone *time.Location) string {
	switch v.Kind {
	case protocol.Null:
		return ""
	case protocol.Text:
		return v.S
	case protocol.Bytes, protocol.Big:
		return fmt.Sprintf("(%d bytes)", len(v.S))
	case protocol.Bool:
		return strconv.FormatBool(v.N != 0)
	case protocol.Int:
	}
	switch f.Type {
	case record.Decimal:
		return formatDecimal(v.N, f.Scale)
	case record.Date:
		return time.Unix(v.N*secondsPerDay, 0).UTC().Format(time.DateOnly)
	case record.Time:
		return time.Unix(v.N/ticksPerSecond, v.N%ticksPerSecond*100).UTC().Format("15:04:05.9999999")
	case record.Instant:
		return time.Unix(v.N/ticksPerSecond, v.N%ticksPerSecond*100).In(zone).Format("2006-01-02T15:04:05.9999999Z07:00")
	case record.Bool, record.Int, record.Text, record.Bytes, record.Document:
	}
	return strconv.FormatInt(v.N, 10)
}

func formatDecimal(n int64, scale int) string {
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	if scale == 0 {
		return sign + strconv.FormatInt(n, 10)
	}
	return fmt.Sprintf("%s%d.%0*d", sign, n/pow10[scale], scale, n%pow10[scale])
}
