// ichor.h is the kit for guests written in C: one header, without a library.
//
// A guest is a manifest and one function that turns the items of a version into statements:
//
//	#include "ichor.h"
//
//	static const char manifest[] = {
//	#embed "manifest.json"
//	};
//
//	static ichor_status convert(ichor_version version) { ... }
//
//	ICHOR_GUEST(manifest, convert)
//
// It needs C11, and the #embed of clang 19 or C23. Everything is static: a module is one
// program, called by one thread at a time. All that a version and its values refer to holds
// until convert returns and, as a value of a statement, until the host has read the answer.
//
// The contract is ABI.md of the project; the numbers below are its tables.
#ifndef ICHOR_H
#define ICHOR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// ---------------------------------------------------------------- what a guest sees

// ichor_status is what convert returns: ICHOR_OK, ichor_skip() or ichor_reject(...).
typedef enum { ICHOR_OK = 0, ICHOR_SKIP = 1, ICHOR_REJECT = 2 } ichor_status;

// ichor_text is bytes of the input or of the guest; there is no NUL behind them.
typedef struct {
	const char *data;
	uint32_t size;
} ichor_text;

// ichor_version is a committed version: the items of its statemap that this guest converts,
// in their order. There is at least one.
typedef struct {
	const uint8_t *row;
	uint32_t items;
} ichor_version;

// ichor_item is one action with its payload.
typedef struct {
	const uint8_t *row;
} ichor_item;

// ichor_value is one JSON value of a payload. One that is all zero is not there: every
// question to it has an empty answer, so a path may be followed to its end and checked once.
typedef struct {
	const uint8_t *row, *first;
} ichor_value;

// ichor_arg is the value of one parameter, in PostgreSQL's text format.
typedef struct {
	uint32_t flags, address, size;
} ichor_arg;

// ichor_type is the kind of a JSON value, ICHOR_NONE of one that is not there.
typedef enum {
	ICHOR_NONE = 0,
	ICHOR_NULL = 1,
	ICHOR_FALSE = 2,
	ICHOR_TRUE = 3,
	ICHOR_NUMBER = 4,
	ICHOR_STRING = 5,
	ICHOR_ARRAY = 6,
	ICHOR_OBJECT = 7
} ichor_type;

typedef enum { ICHOR_DEBUG = 0, ICHOR_INFO = 1, ICHOR_WARN = 2, ICHOR_ERROR = 3 } ichor_level;

// ---------------------------------------------------------------- the contract's numbers

enum {
	ICHOR__MAGIC_INPUT = 0x49484349,
	ICHOR__MAGIC_OUTPUT = 0x4f484349,
	ICHOR__REVISION = 1,
	ICHOR__MAX_INPUT = 16 << 20,
	ICHOR__MAX_MESSAGE = 1024,
	ICHOR__IN_HEADER = 48,
	ICHOR__OUT_HEADER = 56,
	ICHOR__RECORD = 104,
	ICHOR__TOKEN = 24,
	ICHOR__ANSWER = 24,
	ICHOR__STATEMENT = 16,
	ICHOR__ARGUMENT = 12,
	ICHOR__PAGE = 65536
};

// ---------------------------------------------------------------- memory

// In a module an address is a pointer. Elsewhere, in a test, ichor_memory stands for the
// instance's memory, of which ichor_memory_used bytes are taken.
#ifdef __wasm__
#define ichor__at(address) ((uint8_t *)(uintptr_t)(address))
#else
static uint8_t *ichor_memory;
static uint32_t ichor_memory_used, ichor_memory_size;
#define ichor__at(address) (ichor_memory + (address))
#endif

// ichor__arena is a stretch of memory that is used again in each call. One that is too
// small is left for another of twice the size; nothing is ever freed, and what is left
// behind is less than what is in use.
typedef struct {
	uint32_t at, size, used;
} ichor__arena;

static struct {
	const uint8_t *at, *records, *tokens, *tokens_end;
	uint32_t address, size, record_stride, record_count, token_stride;
} ichor__in;

static struct {
	ichor__arena records, statements, arguments, text, frame;
	uint32_t statement_count, argument_count;
	uint32_t mark; // where the text begins that is being built
	uint32_t code; // of the reject
	ichor_arg message;
} ichor__out;

static inline uint32_t ichor__u32(const uint8_t *at) {
	uint32_t n;
	__builtin_memcpy(&n, at, 4);
	return n;
}

static inline uint64_t ichor__u64(const uint8_t *at) {
	uint64_t n;
	__builtin_memcpy(&n, at, 8);
	return n;
}

static inline void ichor__put32(uint8_t *at, uint32_t n) { __builtin_memcpy(at, &n, 4); }

// ichor__take takes whole pages that nobody else has, and returns their address or 0. It
// never touches the pages that a C library's malloc may have.
static uint32_t ichor__take(uint32_t size) {
	uint32_t pages = (size + ICHOR__PAGE - 1) / ICHOR__PAGE;
#ifdef __wasm__
	size_t before = __builtin_wasm_memory_grow(0, pages);
	return before == SIZE_MAX ? 0 : (uint32_t)before * ICHOR__PAGE;
#else
	uint32_t before = ichor_memory_used;
	if (pages > (ichor_memory_size - before) / ICHOR__PAGE) return 0;
	ichor_memory_used += pages * ICHOR__PAGE;
	return before;
#endif
}

// ichor__more moves an arena, with its bytes from keep on, to where size more fit.
static __attribute__((noinline)) void ichor__more(ichor__arena *arena, uint32_t keep, uint32_t size) {
	uint64_t kept = arena->used - keep, want = 2 * (kept + size);
	uint32_t at = want > UINT32_MAX / 2 ? 0 : ichor__take((uint32_t)want);
	if (at == 0) __builtin_trap();
	if (kept > 0) __builtin_memcpy(ichor__at(at), ichor__at(arena->at + keep), kept);
	arena->at = at;
	arena->size = (uint32_t)((want + ICHOR__PAGE - 1) / ICHOR__PAGE * ICHOR__PAGE);
	arena->used = (uint32_t)kept;
}

static inline uint8_t *ichor__extend(ichor__arena *arena, uint32_t size) {
	if (size > arena->size - arena->used) ichor__more(arena, 0, size);
	uint8_t *at = ichor__at(arena->at + arena->used);
	arena->used += size;
	return at;
}

// ---------------------------------------------------------------- texts

// ichor__length is strlen, which is not there without a library; of a literal it is a number.
static inline uint32_t ichor__length(const char *text) {
	if (__builtin_constant_p(__builtin_strlen(text))) return (uint32_t)__builtin_strlen(text);
	uint32_t n = 0;
	while (text[n] != 0) n++;
	return n;
}

// ichor_literal makes a text of a C string.
#define ichor_literal(string) ((ichor_text){(string), ichor__length(string)})

static inline bool ichor__same(const char *a, const char *b, uint32_t size) {
	for (uint32_t i = 0; i < size; i++)
		if (a[i] != b[i]) return false;
	return true;
}

// ichor_is reports whether a text is that C string.
static inline bool ichor_is(ichor_text text, const char *string) {
	return text.size == ichor__length(string) && ichor__same(text.data, string, text.size);
}

// ichor_equal reports whether two texts are the same.
static inline bool ichor_equal(ichor_text a, ichor_text b) { return a.size == b.size && ichor__same(a.data, b.data, a.size); }

// A text is built between ichor_build and ichor_built, by the functions that follow; one at
// a time. It may be as long as memory allows.
static inline void ichor_build(void) { ichor__out.mark = ichor__out.text.used; }

static inline uint8_t *ichor__text_extend(uint32_t size) {
	ichor__arena *text = &ichor__out.text;
	if (size > text->size - text->used) {
		// What was built before stays where it is: statements refer to it.
		ichor__more(text, ichor__out.mark, size);
		ichor__out.mark = 0;
	}
	uint8_t *at = ichor__at(text->at + text->used);
	text->used += size;
	return at;
}

// ichor_add_char adds one byte.
static inline void ichor_add_char(char c) { *ichor__text_extend(1) = (uint8_t)c; }

// ichor_add adds a text.
static inline void ichor_add(ichor_text text) {
	uint8_t *at = ichor__text_extend(text.size);
	for (uint32_t i = 0; i < text.size; i++) at[i] = (uint8_t)text.data[i];
}

// ichor_add_unsigned and ichor_add_signed add a number in decimal.
static inline void ichor_add_unsigned(uint64_t n) {
	char digits[20];
	uint32_t i = sizeof digits;
	do digits[--i] = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	ichor_add((ichor_text){digits + i, (uint32_t)sizeof digits - i});
}

static inline void ichor_add_signed(int64_t n) {
	if (n < 0) ichor_add_char('-');
	ichor_add_unsigned(n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
}

// ichor_built returns what was built since ichor_build.
static inline ichor_arg ichor_built(void) {
	return (ichor_arg){0, ichor__out.text.at + ichor__out.mark, ichor__out.text.used - ichor__out.mark};
}

// ichor__format knows %s (C string), %t (ichor_text), %q (ichor_text, in quotes), %u
// (uint32_t), %d (int32_t) and %%.
static void ichor__format(const char *format, va_list list) {
	for (; *format != 0; format++) {
		if (*format != '%') {
			ichor_add_char(*format);
			continue;
		}
		switch (*++format) {
		case 's': {
			const char *string = va_arg(list, const char *);
			ichor_add(ichor_literal(string));
			break;
		}
		case 't': ichor_add(va_arg(list, ichor_text)); break;
		case 'q':
			ichor_add_char('"');
			ichor_add(va_arg(list, ichor_text));
			ichor_add_char('"');
			break;
		case 'u': ichor_add_unsigned(va_arg(list, uint32_t)); break;
		case 'd': ichor_add_signed(va_arg(list, int32_t)); break;
		case '%': ichor_add_char('%'); break;
		default: __builtin_trap(); // a mistake of the guest's author, found by the first test
		}
	}
}

// ---------------------------------------------------------------- verdicts and the log

// ichor_skip says that a version has, on purpose, nothing to install.
static inline ichor_status ichor_skip(void) { return ICHOR_SKIP; }

// ichor_reject says that a version cannot be converted. Its statements are dropped and it is
// held until somebody acts. Codes are the guest's own; they end in the quarantine and in
// metrics, so keep them stable and few, and put what varies into the message. The format
// knows %s, %t (ichor_text), %q (the same in quotes), %u, %d and %%.
static ichor_status ichor_reject(uint32_t code, const char *format, ...) {
	va_list list;
	va_start(list, format);
	ichor_build();
	ichor__format(format, list);
	va_end(list);
	ichor__out.code = code;
	ichor__out.message = ichor_built();
	if (ichor__out.message.size > ICHOR__MAX_MESSAGE) {
		const uint8_t *text = ichor__at(ichor__out.message.address);
		uint32_t size = ICHOR__MAX_MESSAGE;
		while (size > 0 && (text[size] & 0xc0) == 0x80) size--; // not within a character
		ichor__out.message.size = size;
	}
	return ICHOR_REJECT;
}

#ifdef __wasm__
__attribute__((import_module("ichor_v1"), import_name("log"))) void ichor__log(uint32_t, const void *, uint32_t);
__attribute__((import_module("ichor_v1"), import_name("abort"), noreturn)) void ichor__abort(const void *, uint32_t);

// ichor_log writes a line to the host's log; the format is that of ichor_reject.
static inline void ichor_log(ichor_level level, const char *format, ...) {
	va_list list;
	va_start(list, format);
	ichor_build();
	ichor__format(format, list);
	va_end(list);
	ichor_arg line = ichor_built();
	ichor__log(level, ichor__at(line.address), line.size);
}

// ichor_abort ends the call as a fault of the guest: for a bug, not for bad input.
static inline __attribute__((noreturn)) void ichor_abort(const char *why) { ichor__abort(why, ichor__length(why)); }
#endif

// ---------------------------------------------------------------- reading

// ichor__ref reads a reference of the input frame. A host is trusted by its guest; a trap is
// still better than a wrong balance.
static inline ichor_text ichor__ref(const uint8_t *field) {
	uint32_t offset = ichor__u32(field), size = ichor__u32(field + 4);
	if ((uint64_t)offset + size > ichor__in.size) __builtin_trap();
	return (ichor_text){(const char *)ichor__in.at + offset, size};
}

// ichor__input is a reference as a value. The host checks it when it reads the answer.
static inline ichor_arg ichor__input(const uint8_t *field) {
	return (ichor_arg){0, ichor__in.address + ichor__u32(field), ichor__u32(field + 4)};
}

// ichor_number, ichor_safepoint and ichor_time tell of the version: its number, the version
// that had to be installed before it, the candidate's time in nanoseconds since the Unix
// epoch. There is no other clock.
static inline uint64_t ichor_number(ichor_version v) { return ichor__u64(v.row); }
static inline uint64_t ichor_safepoint(ichor_version v) { return ichor__u64(v.row + 8); }
static inline int64_t ichor_time(ichor_version v) { return (int64_t)ichor__u64(v.row + 16); }

// ichor_xid, ichor_cohort and ichor_agent are the candidate's.
static inline ichor_text ichor_xid(ichor_version v) { return ichor__ref(v.row + 24); }
static inline ichor_text ichor_cohort(ichor_version v) { return ichor__ref(v.row + 32); }
static inline ichor_text ichor_agent(ichor_version v) { return ichor__ref(v.row + 40); }

// The same as values; the numbers in decimal.
static inline ichor_arg ichor_number_arg(ichor_version v) { return ichor__input(v.row + 64); }
static inline ichor_arg ichor_safepoint_arg(ichor_version v) { return ichor__input(v.row + 72); }
static inline ichor_arg ichor_xid_arg(ichor_version v) { return ichor__input(v.row + 24); }

// ichor_item_at returns the i-th item of the version.
static inline ichor_item ichor_item_at(ichor_version v, uint32_t i) {
	if (i >= v.items) __builtin_trap();
	return (ichor_item){v.row + (size_t)i * ichor__in.record_stride};
}

// ichor_action is the item's action, ichor_index its place in the statemap.
static inline ichor_text ichor_action(ichor_item item) { return ichor__ref(item.row + 48); }
static inline uint32_t ichor_index(ichor_item item) { return ichor__u32(item.row + 88); }

// ichor_json is the payload as it stands on the topic; ichor_json_arg the same as a value.
static inline ichor_text ichor_json(ichor_item item) { return ichor__ref(item.row + 56); }
static inline ichor_arg ichor_json_arg(ichor_item item) { return ichor__input(item.row + 56); }

// ichor_payload is the payload as a value to walk; it needs "input": "tokens".
static inline ichor_value ichor_payload(ichor_item item) {
	uint64_t stride = ichor__in.token_stride, first = ichor__u32(item.row + 80), count = ichor__u32(item.row + 84);
	if (count == 0) return (ichor_value){0};
	if ((first + count) * stride > (uint64_t)(ichor__in.tokens_end - ichor__in.tokens)) __builtin_trap();
	const uint8_t *row = ichor__in.tokens + first * stride;
	return (ichor_value){row, row};
}

// ichor_exists reports whether the value is there. Null is.
static inline bool ichor_exists(ichor_value v) { return v.row != NULL; }

static inline ichor_type ichor_type_of(ichor_value v) { return v.row == NULL ? ICHOR_NONE : (ichor_type)v.row[0]; }
static inline bool ichor_is_null(ichor_value v) { return ichor_type_of(v) == ICHOR_NULL; }
static inline bool ichor_is_string(ichor_value v) { return ichor_type_of(v) == ICHOR_STRING; }
static inline bool ichor_is_number(ichor_value v) { return ichor_type_of(v) == ICHOR_NUMBER; }
static inline bool ichor_is_object(ichor_value v) { return ichor_type_of(v) == ICHOR_OBJECT; }
static inline bool ichor_is_array(ichor_value v) { return ichor_type_of(v) == ICHOR_ARRAY; }

// ichor_text_of is a string without quotes and escapes, or the JSON text of any other value.
static inline ichor_text ichor_text_of(ichor_value v) { return v.row == NULL ? (ichor_text){"", 0} : ichor__ref(v.row + 12); }

// ichor__json_of is the JSON of a value that is there, as an offset of the frame and a size.
static inline void ichor__json_of(ichor_value v, uint32_t *offset, uint32_t *size) {
	*offset = ichor__u32(v.row + 12), *size = ichor__u32(v.row + 16);
	if (v.row[0] != ICHOR_STRING) return;
	if ((v.row[1] & 2) == 0) { // in place: the quotes stand around it
		*offset -= 1, *size += 2;
		return;
	}
	const uint8_t *copy = (const uint8_t *)ichor__ref(v.row + 12).data;
	*offset -= ichor__u32(copy - 8), *size = ichor__u32(copy - 4);
}

// ichor_json_of is a value as it stands in the payload: a string with its quotes and escapes,
// anything else as ichor_text_of gives it.
static inline ichor_text ichor_json_of(ichor_value v) {
	if (v.row == NULL) return (ichor_text){"", 0};
	uint32_t offset, size;
	ichor__json_of(v, &offset, &size);
	if ((uint64_t)offset + size > ichor__in.size) __builtin_trap();
	return (ichor_text){(const char *)ichor__in.at + offset, size};
}

// ichor_key is the name of a member of an object.
static inline ichor_text ichor_key(ichor_value v) { return v.row == NULL ? (ichor_text){"", 0} : ichor__ref(v.row + 4); }

// ichor__behind is the row behind a value and all that it contains.
static inline const uint8_t *ichor__behind(ichor_value v) {
	const uint8_t *behind = v.first + (uint64_t)ichor__u32(v.row + 20) * ichor__in.token_stride;
	if (behind <= v.row || behind > ichor__in.tokens_end) __builtin_trap();
	return behind;
}

// ichor_first is the first element of an array or member of an object, ichor_next the one
// behind it; one that is not there ends the loop:
//
//	for (ichor_value m = ichor_first(list); ichor_exists(m); m = ichor_next(list, m))
static inline ichor_value ichor_first(ichor_value v) {
	if (!ichor_is_object(v) && !ichor_is_array(v)) return (ichor_value){0};
	const uint8_t *row = v.row + ichor__in.token_stride;
	return row < ichor__behind(v) ? (ichor_value){row, v.first} : (ichor_value){0};
}

static inline ichor_value ichor_next(ichor_value container, ichor_value member) {
	const uint8_t *row = ichor__behind(member);
	return row < ichor__behind(container) ? (ichor_value){row, member.first} : (ichor_value){0};
}

// ichor_field is a member of an object. Of members with the same name the last counts, as in
// most readers of JSON.
static inline ichor_value ichor_field(ichor_value v, const char *name) {
	ichor_value found = {0};
	if (!ichor_is_object(v)) return found;
	const uint8_t *end = ichor__behind(v);
	uint32_t size = ichor__length(name);
	for (ichor_value m = {v.row + ichor__in.token_stride, v.first}; m.row < end; m.row = ichor__behind(m))
		if (ichor__u32(m.row + 8) == size && ichor__same(ichor__ref(m.row + 4).data, name, size)) found = m;
	return found;
}

// ---------------------------------------------------------------- statements

// ichor_null is SQL's null.
static inline ichor_arg ichor_null(void) { return (ichor_arg){1, 0, 0}; }

// ichor_arg_of is a JSON value for a parameter: its text by reference, or null when the
// value is null or not there. It is the cheapest argument there is: nothing is copied.
static inline ichor_arg ichor_arg_of(ichor_value v) {
	return v.row == NULL || v.row[0] == ICHOR_NULL ? ichor_null() : ichor__input(v.row + 12);
}

// ichor_json_arg_of is a JSON value for a parameter of type json or jsonb: its JSON by
// reference. JSON's null stays one; SQL's null is a value that is not there.
static inline ichor_arg ichor_json_arg_of(ichor_value v) {
	if (v.row == NULL) return ichor_null();
	uint32_t offset, size;
	ichor__json_of(v, &offset, &size);
	return (ichor_arg){0, ichor__in.address + offset, size};
}

// ichor_text_arg is any other text for a parameter. It must hold until the host has read the
// answer, as a literal or the input does; what does not is copied by ichor_build, ichor_add.
static inline ichor_arg ichor_text_arg(ichor_text text) {
#ifndef __wasm__
	if ((const uint8_t *)text.data < ichor_memory || (const uint8_t *)text.data >= ichor_memory + ichor_memory_size) {
		ichor_build(); // a literal is not in the memory of a test
		ichor_add(text);
		return ichor_built();
	}
	return (ichor_arg){0, (uint32_t)((const uint8_t *)text.data - ichor_memory), text.size};
#else
	return (ichor_arg){0, (uint32_t)(uintptr_t)text.data, text.size};
#endif
}

// ichor_unsigned_arg and ichor_signed_arg are a number for a parameter, in decimal.
static inline ichor_arg ichor_unsigned_arg(uint64_t n) {
	ichor_build();
	ichor_add_unsigned(n);
	return ichor_built();
}

static inline ichor_arg ichor_signed_arg(int64_t n) {
	ichor_build();
	ichor_add_signed(n);
	return ichor_built();
}

// ichor_exec adds a statement: a template of the manifest and a value for each parameter.
#define ichor_exec(template_id, ...) \
	ichor__exec((template_id), (const ichor_arg[]){__VA_ARGS__}, sizeof((const ichor_arg[]){__VA_ARGS__}) / sizeof(ichor_arg))

static inline __attribute__((always_inline)) void ichor__exec(uint32_t id, const ichor_arg *args, uint32_t count) {
	uint8_t *statement = ichor__extend(&ichor__out.statements, ICHOR__STATEMENT);
	ichor__put32(statement, id);
	ichor__put32(statement + 4, ichor__out.argument_count);
	ichor__put32(statement + 8, count);
	ichor__put32(statement + 12, 0);
	ichor__out.statement_count++;
	ichor__out.argument_count += count;
	uint8_t *row = ichor__extend(&ichor__out.arguments, count * ICHOR__ARGUMENT);
	for (uint32_t i = 0; i < count; i++, row += ICHOR__ARGUMENT) {
		ichor__put32(row, args[i].flags);
		ichor__put32(row + 4, args[i].address);
		ichor__put32(row + 8, args[i].size);
	}
}

// ---------------------------------------------------------------- frames

typedef ichor_status (*ichor__convert)(ichor_version version);

// ichor__table checks one table of a header.
static bool ichor__table(uint32_t field, uint32_t least, const uint8_t **rows, uint32_t *count, uint32_t *stride) {
	*count = ichor__u32(ichor__in.at + field);
	*stride = ichor__u32(ichor__in.at + field + 4);
	uint64_t offset = ichor__u32(ichor__in.at + field + 8);
	if (*stride < least || *stride % 8 != 0 || offset % 8 != 0) return false;
	if (offset + (uint64_t)*count * *stride > ichor__in.size) return false;
	*rows = ichor__in.at + offset;
	return true;
}

// ichor__open checks the header of the input frame that stands at the address.
static bool ichor__open(uint32_t address, uint32_t size) {
	const uint8_t *at = ichor__at(address);
	if (address == 0 || size < ICHOR__IN_HEADER || ichor__u32(at) != ICHOR__MAGIC_INPUT) return false;
	uint32_t revision = ichor__u32(at + 4), total = ichor__u32(at + 8);
	if ((revision & 0xffff) != ICHOR__REVISION || revision >> 16 < ICHOR__IN_HEADER || total > size) return false;
	ichor__in.at = at;
	ichor__in.address = address;
	ichor__in.size = total;
	uint32_t tokens;
	if (!ichor__table(16, ICHOR__RECORD, &ichor__in.records, &ichor__in.record_count, &ichor__in.record_stride)) return false;
	if (!ichor__table(28, ICHOR__TOKEN, &ichor__in.tokens, &tokens, &ichor__in.token_stride)) return false;
	ichor__in.tokens_end = ichor__in.tokens + (size_t)tokens * ichor__in.token_stride;
	return true;
}

static inline void ichor__answer(uint32_t first, uint32_t count, ichor_status status) {
	uint8_t *row = ichor__extend(&ichor__out.records, ICHOR__ANSWER);
	bool reject = status == ICHOR_REJECT;
	ichor__put32(row, first);
	ichor__put32(row + 4, count);
	ichor__put32(row + 8, status);
	ichor__put32(row + 12, reject ? ichor__out.code : 0);
	ichor__put32(row + 16, reject && ichor__out.message.size > 0 ? ichor__out.message.address : 0);
	ichor__put32(row + 20, reject ? ichor__out.message.size : 0);
}

// ichor__settle answers the records of one version. Its statements stand at its first
// record; the others say OK with none, or SKIP.
static inline void ichor__settle(ichor_status status, uint32_t records, uint32_t statements, uint32_t arguments) {
	if (status != ICHOR_OK) {
		ichor__out.statement_count = statements;
		ichor__out.argument_count = arguments;
		ichor__out.statements.used = statements * ICHOR__STATEMENT;
		ichor__out.arguments.used = arguments * ICHOR__ARGUMENT;
	}
	ichor__answer(statements, ichor__out.statement_count - statements, status);
	for (uint32_t i = 1; i < records; i++)
		ichor__answer(ichor__out.statement_count, 0, status == ICHOR_SKIP ? ICHOR_SKIP : ICHOR_OK);
}

static void ichor__reset(void) {
	ichor__out.records.used = ichor__out.statements.used = ichor__out.arguments.used = 0;
	ichor__out.text.used = ichor__out.frame.used = ichor__out.mark = 0;
	ichor__out.statement_count = ichor__out.argument_count = 0;
}

static void ichor__lay(uint8_t *header, uint32_t field, const ichor__arena *table, uint32_t stride, uint32_t *offset) {
	ichor__put32(header + field, table->used / stride);
	ichor__put32(header + field + 4, stride);
	ichor__put32(header + field + 8, *offset);
	if (table->used > 0) __builtin_memcpy(header + *offset, ichor__at(table->at), table->used);
	*offset += table->used;
}

// ichor__finish lays the output frame out and returns it, packed.
static uint64_t ichor__finish(void) {
	uint32_t total = ICHOR__OUT_HEADER + ichor__out.records.used + ichor__out.statements.used + ichor__out.arguments.used;
	uint8_t *header = ichor__extend(&ichor__out.frame, total);
	ichor__put32(header, ICHOR__MAGIC_OUTPUT);
	ichor__put32(header + 4, (uint32_t)ICHOR__OUT_HEADER << 16 | ICHOR__REVISION);
	ichor__put32(header + 8, total);
	ichor__put32(header + 12, 0);
	ichor__put32(header + 52, 0);
	uint32_t offset = ICHOR__OUT_HEADER;
	ichor__lay(header, 16, &ichor__out.records, ICHOR__ANSWER, &offset);
	ichor__lay(header, 28, &ichor__out.statements, ICHOR__STATEMENT, &offset);
	ichor__lay(header, 40, &ichor__out.arguments, ICHOR__ARGUMENT, &offset);
	return (uint64_t)ichor__out.frame.at << 32 | total;
}

// ichor_run converts the input frame at the address and returns the output frame, packed, or
// 0 for a frame that is none. The export calls it, and a test may.
static inline uint64_t ichor_run(uint32_t address, uint32_t size, ichor__convert convert) {
	if (!ichor__open(address, size)) return 0;
	ichor__reset();
	for (uint32_t i = 0; i < ichor__in.record_count;) {
		const uint8_t *row = ichor__in.records + (size_t)i * ichor__in.record_stride;
		uint32_t items = 1;
		while (i + items < ichor__in.record_count && (ichor__u32(row + (size_t)items * ichor__in.record_stride + 96) & 1) == 0) items++;
		uint32_t statements = ichor__out.statement_count, arguments = ichor__out.argument_count;
		ichor_status status = convert((ichor_version){row, items});
		ichor__settle(status, items, statements, arguments);
		i += items;
	}
	return ichor__finish();
}

// ICHOR_GUEST defines what the module exports. The manifest is an array without a NUL, the
// function an ichor_status (ichor_version).
#ifdef __wasm__
#define ICHOR_GUEST(manifest, convert) \
	__attribute__((export_name("ichor_abi_v1"))) void ichor__marker(void) {} \
	__attribute__((export_name("ichor_describe"))) uint64_t ichor__describe(void) { \
		return (uint64_t)(uintptr_t)(manifest) << 32 | sizeof(manifest); \
	} \
	__attribute__((export_name("ichor_alloc"))) uint32_t ichor__alloc(uint32_t size) { \
		static uint32_t at, have; \
		if (size > ICHOR__MAX_INPUT) return 0; \
		if (at == 0 || size > have) { \
			have = (size + size / 2 + ICHOR__PAGE) / ICHOR__PAGE * ICHOR__PAGE; \
			at = ichor__take(have); \
		} \
		return at; \
	} \
	__attribute__((export_name("ichor_convert"))) uint64_t ichor__convert_frame(uint32_t address, uint32_t size) { \
		return ichor_run(address, size, convert); \
	}
#else
#define ICHOR_GUEST(manifest, convert)
#endif

#endif
