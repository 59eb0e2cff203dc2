package record

// kinds is the catalogue, parents before children. It is never changed at run time.
var kinds = []*Kind{
	{Name: "department", Key: []string{"department_no"}, Fields: []Field{
		text("department_no", Public), text("name", Public), opt(text("group_name", Public)),
		opt(text("parent_no", Public)),
	}},
	{Name: "employee", Key: []string{"employee_no"}, Retention: 5, Fields: []Field{
		text("employee_no", Personal), text("name", Personal), opt(text("email", Personal)),
		opt(text("phone", Personal)), opt(text("address", Personal)), opt(text("postal_code", Personal)),
		opt(text("city", Personal)), opt(text("department_no", Public)), opt(text("job_title", Personal)),
		opt(date("hired_on", Personal)), opt(date("left_on", Personal)), opt(date("born_on", Personal)),
		boolean("active", Public), opt(text("language", Personal)), opt(text("national_id", NationalID)),
		opt(text("bank_account", BankAccount)),
	}},
	{Name: "employment", Key: []string{"employment_no"}, Retention: 5, Fields: []Field{
		text("employment_no", Personal), text("employee_no", Personal), opt(text("department_no", Public)),
		date("valid_from", Personal), opt(date("valid_to", Personal)), opt(text("job_title", Personal)),
		opt(text("shift_no", Public)), opt(decimal("weekly_hours", 2, Personal)),
	}},
	{Name: "pay_rate", Key: []string{"employee_no", "valid_from"}, Retention: 5, Fields: []Field{
		text("employee_no", Personal), date("valid_from", Personal), decimal("rate", 4, Salary),
		opt(text("unit", Public)), opt(text("currency", Public)), opt(integer("periods_per_month")),
	}},
	{Name: "shift", Key: []string{"shift_no"}, Fields: []Field{
		text("shift_no", Public), text("name", Public), timeOfDay("starts_at", Public), timeOfDay("ends_at", Public),
	}},
	{Name: "pay_calendar", Key: []string{"pay_calendar_no"}, Fields: []Field{
		text("pay_calendar_no", Public), text("name", Public), date("period_start", Public),
		date("period_end", Public), date("pay_date", Public), opt(date("reports_due", Public)),
	}},
	{Name: "payslip", Key: []string{"payslip_no"}, Retention: 5, Fields: []Field{
		text("payslip_no", Personal), text("employee_no", Personal), date("period_start", Personal),
		date("period_end", Personal), date("pay_date", Personal), decimal("gross", 2, Salary),
		decimal("tax", 2, Salary), decimal("net", 2, Salary), text("currency", Public),
		opt(text("document_no", Personal)), opt(text("title", Public)),
	}},
	{Name: "payslip_line", Key: []string{"payslip_no", "line_no"}, Retention: 5, Fields: []Field{
		text("payslip_no", Personal), integer("line_no"), text("employee_no", Personal),
		text("code", Public), text("label", Public), opt(decimal("quantity", 4, Salary)),
		opt(text("unit", Public)), opt(decimal("rate", 4, Salary)), decimal("amount", 2, Salary),
		opt(decimal("year_to_date", 2, Salary)), opt(text("section", Public)), opt(text("account", Public)),
	}},
	{Name: "document", Key: []string{"document_no"}, Retention: 5, Fields: []Field{
		text("document_no", Personal), text("employee_no", Personal), text("title", Personal),
		text("media_type", Public), integer("size"), opt(date("dated_on", Personal)),
		{Name: "content", Type: Document, Class: DocumentClass},
	}},
	{Name: "balance_type", Key: []string{"balance_type_no"}, Fields: []Field{
		text("balance_type_no", Public), text("name", Public), text("unit", Public),
		opt(integer("sort")), opt(text("name_sv", Public)), opt(text("name_en", Public)),
	}},
	{Name: "balance", Key: []string{"employee_no", "balance_type_no"}, Retention: 5, Fields: []Field{
		text("employee_no", Personal), text("balance_type_no", Public), decimal("amount", 4, Personal),
		opt(decimal("earned", 4, Personal)), opt(decimal("used", 4, Personal)), date("as_of", Personal),
	}},
	{Name: "absence_type", Key: []string{"absence_type_no"}, Fields: []Field{
		text("absence_type_no", Public), text("name", Public), opt(text("unit", Public)),
		boolean("reportable", Public), opt(text("balance_type_no", Public)), opt(integer("sort")),
		opt(text("name_sv", Public)), opt(text("name_en", Public)),
	}},
	{Name: "absence", Key: []string{"absence_no"}, Retention: 5, Fields: []Field{
		text("absence_no", Personal), text("employee_no", Personal), text("absence_type_no", Personal),
		date("first_day", Personal), date("last_day", Personal), opt(decimal("quantity", 2, Personal)),
		opt(text("unit", Public)), text("state", Personal), opt(text("report_id", Public)), opt(text("note", Personal)),
	}},
	{Name: "time_entry", Key: []string{"time_entry_no"}, Retention: 5, Fields: []Field{
		text("time_entry_no", Personal), text("employee_no", Personal), date("worked_on", Personal),
		opt(timeOfDay("starts_at", Personal)), opt(timeOfDay("ends_at", Personal)), opt(decimal("hours", 2, Personal)),
		opt(text("wage_type", Public)), opt(text("dimension_no", Public)), opt(text("report_id", Public)),
	}},
	{Name: "schedule", Key: []string{"employee_no", "planned_on", "starts_at"}, Retention: 1, Fields: []Field{
		text("employee_no", Personal), date("planned_on", Personal), timeOfDay("starts_at", Personal),
		timeOfDay("ends_at", Personal), opt(decimal("break_hours", 2, Personal)), opt(text("shift_no", Public)),
	}},
	{Name: "registration_type", Key: []string{"registration_type_no"}, Fields: []Field{
		text("registration_type_no", Public), text("name", Public), text("form", Public), opt(text("unit", Public)),
		opt(text("name_sv", Public)), opt(text("name_en", Public)),
	}},
	{Name: "registration_group", Key: []string{"registration_group_no", "registration_type_no"}, Fields: []Field{
		text("registration_group_no", Public), text("registration_type_no", Public), text("name", Public),
	}},
	{Name: "registration_period", Key: []string{"registration_period_no"}, Fields: []Field{
		text("registration_period_no", Public), date("first_day", Public), date("last_day", Public),
		opt(date("closes_on", Public)), boolean("open", Public),
	}},
	{Name: "approver", Key: []string{"employee_no", "approver_no"}, Fields: []Field{
		text("employee_no", Personal), text("approver_no", Personal), opt(date("valid_from", Personal)),
		opt(date("valid_to", Personal)),
	}},
	{Name: "dimension", Key: []string{"dimension_no"}, Fields: []Field{
		text("dimension_no", Public), text("name", Public), opt(text("group_name", Public)),
	}},
	{Name: "place", Key: []string{"place_no"}, Fields: []Field{
		text("place_no", Public), text("name", Public), opt(text("address", Public)), opt(text("postal_code", Public)),
		opt(text("city", Public)),
	}},
	{Name: "report_result", Key: []string{"report_id"}, Fields: []Field{
		text("report_id", Public), text("outcome", Public), opt(text("reason", Personal)),
		opt(text("reason_code", Public)), instant("decided_at", Public),
	}},
}

func text(name string, c Class) Field      { return Field{Name: name, Type: Text, Class: c} }
func integer(name string) Field            { return Field{Name: name, Type: Int, Class: Public} }
func boolean(name string, c Class) Field   { return Field{Name: name, Type: Bool, Class: c} }
func date(name string, c Class) Field      { return Field{Name: name, Type: Date, Class: c} }
func timeOfDay(name string, c Class) Field { return Field{Name: name, Type: Time, Class: c} }
func instant(name string, c Class) Field   { return Field{Name: name, Type: Instant, Class: c} }

func decimal(name string, scale int, c Class) Field {
	return Field{Name: name, Type: Decimal, Scale: scale, Class: c}
}

func opt(f Field) Field {
	f.Nullable = true
	return f
}
