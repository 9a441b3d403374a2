// The banking example's guest in C. What it does and why it makes one statement of a version
// stands in the README of the directory above; it answers as the guest in Go does, byte for byte.
#include "ichor.h"

static const char manifest[] = {
#embed "manifest.json"
};

// The templates of manifest.json.
enum { TRANSFER = 1, DEPOSIT = 2, WITHDRAW = 3, SEVERAL = 4 };

// Codes of rejects.
enum { MISSING = 1, TYPE = 2, VALUE = 3, ACTION = 4 };

// A deposit has no from, a withdrawal no to.
typedef struct {
	uint32_t action; // the template of a single one
	ichor_value from, to, amount;
} movement;

static ichor_status wrong(ichor_item item, uint32_t code, const char *field, const char *what) {
	return ichor_reject(code, "item %u, %t: %s %s", ichor_index(item), ichor_action(item), field, what);
}

static ichor_value either(ichor_value payload, const char *first, const char *second, const char **name) {
	ichor_value value = ichor_field(payload, first);
	*name = first;
	if (ichor_exists(value)) return value;
	value = ichor_field(payload, second);
	if (ichor_exists(value)) *name = second;
	return value;
}

static ichor_status account(ichor_item item, const char *field, ichor_value value) {
	if (!ichor_exists(value)) return wrong(item, MISSING, field, "is missing");
	if (!ichor_is_string(value)) return wrong(item, TYPE, field, "is not a string");
	if (ichor_text_of(value).size == 0) return wrong(item, VALUE, field, "is empty");
	return ICHOR_OK;
}

static bool digits(ichor_text text, uint32_t *at) {
	uint32_t begin = *at;
	while (*at < text.size && text.data[*at] >= '0' && text.data[*at] <= '9') ++*at;
	return *at > begin;
}

// is_number reports whether a text is a number of JSON.
static bool is_number(ichor_text text) {
	uint32_t at = 0;
	if (at < text.size && text.data[at] == '-') at++;
	uint32_t begin = at;
	if (!digits(text, &at) || (text.data[begin] == '0' && at > begin + 1)) return false;
	if (at < text.size && text.data[at] == '.') {
		at++;
		if (!digits(text, &at)) return false;
	}
	if (at < text.size && (text.data[at] == 'e' || text.data[at] == 'E')) {
		at++;
		if (at < text.size && (text.data[at] == '+' || text.data[at] == '-')) at++;
		if (!digits(text, &at)) return false;
	}
	return at == text.size;
}

// decimal accepts a JSON number, or a string that is one. Its text goes to the database as it
// is: neither digits nor size are lost to a float on the way.
static ichor_status decimal(ichor_item item, ichor_value amount) {
	if (!ichor_exists(amount)) return wrong(item, MISSING, "amount", "is missing");
	if (ichor_is_number(amount)) return ICHOR_OK;
	if (!ichor_is_string(amount)) return wrong(item, TYPE, "amount", "is neither a number nor a string");
	if (!is_number(ichor_text_of(amount))) return wrong(item, VALUE, "amount", "is not a decimal number");
	return ICHOR_OK;
}

static ichor_status read(ichor_item item, movement *m) {
	ichor_value payload = ichor_payload(item);
	ichor_text action = ichor_action(item);
	const char *from = "from", *to = "to";
	*m = (movement){.amount = ichor_field(payload, "amount")};
	if (ichor_is(action, "TRANSFER")) {
		m->action = TRANSFER;
		m->from = ichor_field(payload, from);
		m->to = ichor_field(payload, to);
	} else if (ichor_is(action, "DEPOSIT")) {
		m->action = DEPOSIT;
		m->to = either(payload, "account", "to", &to);
	} else if (ichor_is(action, "WITHDRAW")) {
		m->action = WITHDRAW;
		m->from = either(payload, "account", "from", &from);
	} else {
		return ichor_reject(ACTION, "item %u: unknown action %q", ichor_index(item), action);
	}
	if (!ichor_is_object(payload)) return wrong(item, TYPE, "the payload", "is not an object");
	ichor_status status = ICHOR_OK;
	if (m->action != DEPOSIT) status = account(item, from, m->from);
	if (status == ICHOR_OK && m->action != WITHDRAW) status = account(item, to, m->to);
	return status == ICHOR_OK ? decimal(item, m->amount) : status;
}

// element adds a text to a PostgreSQL array, quoted: inside quotes only the quote and the
// backslash mean something.
static void element(bool *comma, ichor_text text) {
	if (*comma) ichor_add_char(',');
	*comma = true;
	ichor_add_char('"');
	for (uint32_t i = 0; i < text.size; i++) {
		char c = text.data[i];
		if (c == '"' || c == '\\') ichor_add_char('\\');
		ichor_add_char(c);
	}
	ichor_add_char('"');
}

// amount adds a decimal to a PostgreSQL array, with its sign turned or not.
static void amount(bool *comma, ichor_text text, bool turned) {
	if (*comma) ichor_add_char(',');
	*comma = true;
	if (turned && text.size > 0 && text.data[0] == '-') {
		text = (ichor_text){text.data + 1, text.size - 1};
	} else if (turned) {
		ichor_add_char('-');
	}
	ichor_add(text);
}

// numbers and amounts are the two arrays of the template for several items. Texts are built
// one at a time, so the items are read once for each.
static ichor_status numbers(ichor_version version, ichor_arg *list) {
	movement m;
	bool comma = false;
	ichor_build();
	ichor_add_char('{');
	for (uint32_t i = 0; i < version.items; i++) {
		ichor_status status = read(ichor_item_at(version, i), &m);
		if (status != ICHOR_OK) return status;
		if (ichor_exists(m.from)) element(&comma, ichor_text_of(m.from));
		if (ichor_exists(m.to)) element(&comma, ichor_text_of(m.to));
	}
	ichor_add_char('}');
	*list = ichor_built();
	return ICHOR_OK;
}

static ichor_status amounts(ichor_version version, ichor_arg *list) {
	movement m;
	bool comma = false;
	ichor_build();
	ichor_add_char('{');
	for (uint32_t i = 0; i < version.items; i++) {
		ichor_status status = read(ichor_item_at(version, i), &m);
		if (status != ICHOR_OK) return status;
		if (ichor_exists(m.from)) amount(&comma, ichor_text_of(m.amount), true);
		if (ichor_exists(m.to)) amount(&comma, ichor_text_of(m.amount), false);
	}
	ichor_add_char('}');
	*list = ichor_built();
	return ICHOR_OK;
}

static ichor_status convert(ichor_version version) {
	if (version.items > 1) {
		ichor_arg accounts, changes;
		ichor_status status = numbers(version, &accounts);
		if (status == ICHOR_OK) status = amounts(version, &changes);
		if (status == ICHOR_OK) ichor_exec(SEVERAL, accounts, changes, ichor_number_arg(version));
		return status;
	}
	movement m;
	ichor_status status = read(ichor_item_at(version, 0), &m);
	if (status != ICHOR_OK) return status;
	ichor_arg number = ichor_number_arg(version), amount = ichor_arg_of(m.amount);
	switch (m.action) {
	case TRANSFER: ichor_exec(TRANSFER, ichor_arg_of(m.from), ichor_arg_of(m.to), amount, number); break;
	case DEPOSIT: ichor_exec(DEPOSIT, ichor_arg_of(m.to), amount, number); break;
	case WITHDRAW: ichor_exec(WITHDRAW, ichor_arg_of(m.from), amount, number); break;
	}
	return ICHOR_OK;
}

ICHOR_GUEST(manifest, convert)
