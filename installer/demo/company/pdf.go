package company

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"codeberg.org/go-pdf/fpdf"
)

// Widths of the payslip's columns in millimetres.
var columnWidths = [...]float64{14, 76, 26, 26, 34}

// render draws the payslip as a one-page PDF of about two kilobytes. The same payslip gives the same bytes.
func render(s *payslip) ([]byte, error) {
	pdf := fpdf.New("P", "mm", "A4", "")
	text := pdf.UnicodeTranslatorFromDescriptor("") // the built-in fonts speak Windows-1252
	pdf.SetCreationDate(s.period.payDate)
	pdf.SetModificationDate(s.period.payDate)
	pdf.SetCatalogSort(true)
	pdf.SetTitle(s.period.title(), true)
	pdf.SetLang("da-DK")
	pdf.AddPage()
	pdf.SetFont("Helvetica", "B", 16)
	pdf.CellFormat(0, 9, text(Name), "", 1, "L", false, 0, "")
	pdf.SetFont("Helvetica", "", 10)
	for _, l := range []string{
		fmt.Sprintf("%s · %s til %s", s.period.title(), s.period.from.Format("02.01.2006"), s.period.to.Format("02.01.2006")),
		fmt.Sprintf("Medarbejder %d · %s", s.who.no, s.who.name),
		s.who.address,
	} {
		pdf.CellFormat(0, 5, text(l), "", 1, "L", false, 0, "")
	}
	pdf.Ln(6)
	row := func(style string, cells ...string) {
		pdf.SetFont("Helvetica", style, 9)
		for i, c := range cells {
			align, end := "R", 0
			if i < 2 {
				align = "L"
			}
			if i == len(cells)-1 {
				end = 1
			}
			pdf.CellFormat(columnWidths[i], 5.5, text(c), "B", end, align, false, 0, "")
		}
	}
	row("B", "Kode", "Tekst", "Antal", "Sats", "Beløb")
	for _, l := range s.lines {
		row("", l.code, l.text, danishOrBlank(l.quantity), danishOrBlank(l.rate), danish(l.amount))
	}
	row("B", "", "Til disposition", "", "", danish(s.net))
	var out bytes.Buffer
	if err := pdf.Output(&out); err != nil {
		return nil, fmt.Errorf("draw payslip %d: %w", s.no, err)
	}
	return out.Bytes(), nil
}

// danish spells hundredths as 12.345,67.
func danish(hundredths int64) string {
	sign := ""
	if hundredths < 0 {
		sign, hundredths = "-", -hundredths
	}
	digits := strconv.FormatInt(hundredths/100, 10)
	var groups []string
	for len(digits) > 3 {
		groups = append([]string{digits[len(digits)-3:]}, groups...)
		digits = digits[:len(digits)-3]
	}
	return fmt.Sprintf("%s%s,%02d", sign, strings.Join(append([]string{digits}, groups...), "."), hundredths%100)
}

func danishOrBlank(hundredths int64) string {
	if hundredths == 0 {
		return ""
	}
	return danish(hundredths)
}
