package company

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Given names are common; surnames are compounds that nobody bears.
var (
	givenNames = strings.Fields(`Agnes Aksel Alma Anders Anna Asger Astrid August Bente Birgit Bjarke Camilla Carl
		Cecilie Christian Ditte Ebbe Ellen Emil Emma Erik Esther Eva Freja Frode Gitte Gry Hanne Hans Helle Henrik
		Ida Inge Ingrid Ivan Jakob Jens Johanne Jonas Josefine Jytte Kaj Karen Karla Kasper Kirsten Klara Knud Lars
		Laura Lene Liv Lone Ludvig Mads Magnus Maja Malthe Maren Marie Mathilde Mette Mikkel Morten Niels Nina Nora
		Oda Ole Oliver Oscar Otto Palle Per Pernille Peter Poul Rasmus Rikke Rosa Sara Signe Sigurd Silje Sofie
		Solveig Storm Susanne Svend Sven Sören Søren Tage Thea Thor Tilde Tobias Torben Trine Troels Ulla Vagn
		Valdemar Vera Vibeke Victor Viggo Villads Åge Åse`)
	surnameStarts = strings.Fields(`Asp Birke Bølge Drosle Eng Fjeld Fjord Glente Gran Hassel Hede Isfugle Kær
		Lyng Lærke Mose Måge Nattergals Pile Ravne Ryle Siv Skov Stær Tange Tjørne Torne Vibe Ørne Åkande`)
	surnameEnds = strings.Fields(`balle bækgård dalsted engholt floddrup gravlund havnsø hulbjerg kildevang
		klintrup lundskov mosetoft næsborg odderup ravnsted sandhøj stenvad søgårde tofteby vangsted`)
	streets = strings.Fields(`Bøgevænget Dådyrvej Egernstien Fabriksgade Gartnerstræde Hindbærvej Klokkeblomstvej
		Lupinvej Møllebakken Nøddestien Præstemarken Rugmarken Skovduevej Stationsgade Tranebærvej Ærenprisvej`)
	towns = [][2]string{
		{"0001", "Nordlyng"}, {"0002", "Sivkøbing"}, {"0003", "Måsehavn"}, {"0004", "Tangerup Strand"},
		{"0005", "Ørnebjerg"}, {"0006", "Åkandeby"},
	}
)

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func surname(r *rand.Rand) string { return pick(r, surnameStarts) + pick(r, surnameEnds) }

// asciiName spells a name as mail addresses do.
var asciiName = strings.NewReplacer("æ", "ae", "ø", "oe", "å", "aa", "ö", "oe", "Æ", "ae", "Ø", "oe", "Å", "aa")

// mailOf is unique by the employee number and cannot be delivered (RFC 2606).
func mailOf(given, family string, no int) string {
	return strings.ToLower(asciiName.Replace(fmt.Sprintf("%s.%s.%d@nordlyng.example", given, family, no)))
}

// phone has a first digit that no Danish number has.
func phone(r *rand.Rand) string {
	return fmt.Sprintf("+45 0%d %02d %02d %02d", r.IntN(10), r.IntN(100), r.IntN(100), r.IntN(100))
}

// cprWeights are those of the check digit that CPR numbers had until 2007.
var cprWeights = [10]int{4, 3, 2, 7, 6, 5, 4, 3, 2, 1}

// cpr looks like a CPR number of somebody born that day and fails the check digit.
func cpr(r *rand.Rand, born time.Time) string {
	digits := fmt.Sprintf("%s%04d", born.Format("020106"), r.IntN(4000))
	if cprChecks(digits) {
		last := '0' + (digits[9]-'0'+1)%10
		digits = digits[:9] + string(rune(last))
	}
	return digits[:6] + "-" + digits[6:]
}

// cprChecks reports whether ten digits have the right check digit.
func cprChecks(digits string) bool {
	sum := 0
	for i, w := range cprWeights {
		sum += int(digits[i]-'0') * w
	}
	return sum%11 == 0
}
