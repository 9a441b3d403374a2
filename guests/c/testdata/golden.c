// golden reads the frames that every kit must read, and makes those that every kit must make.
//
//	golden input FILE    prints what the frame in FILE says
//	golden some|empty    prints the bytes of an output frame
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../ichor.h"

enum { INPUT_AT = 4096, TEXT_AT = 1024, FRAME_AT = 2048, MEMORY = 64 << 20 };

static uint32_t input_size;

static void quoted(ichor_text text) { printf("\"%.*s\"", (int)text.size, text.data); }

static const char *word(bool yes) { return yes ? "true" : "false"; }

static void print_tokens(ichor_item item) {
	ichor_value payload = ichor_payload(item);
	uint32_t stride = ichor__in.token_stride, count = ichor__u32(item.row + 84);
	for (uint32_t i = 0; i < count; i++) {
		ichor_value v = {payload.first + (size_t)i * stride, payload.first};
		ichor_text key = ichor_key(v), text = ichor_text_of(v);
		printf("  %u ", i);
		if (ichor__u32(v.row + 4) != 0 || key.size != 0) printf("%.*s%s=", (int)key.size, key.data, v.row[1] & 1 ? "*" : "");
		printf("%d:%.*s%s>%u", ichor_type_of(v), (int)text.size, text.data, v.row[1] & 2 ? "*" : "", ichor__u32(v.row + 20));
		ichor_text json = ichor_json_of(v);
		ichor_arg arg = ichor_json_arg_of(v);
		if (arg.size != json.size || ichor__at(arg.address) != (const uint8_t *)json.data) printf(" (two)");
		if (ichor_is_string(v)) printf(" %.*s", (int)json.size, json.data);
		printf("\n");
	}
}

static ichor_status print_version(ichor_version v) {
	for (uint32_t i = 0; i < v.items; i++) {
		ichor_item item = ichor_item_at(v, i);
		ichor_text number = ichor__ref(v.row + 64), safepoint = ichor__ref(v.row + 72), json = ichor_json(item);
		printf("\nversion %" PRIu64 " (%.*s) safepoint %" PRIu64 " (%.*s) time %" PRId64 "\n", ichor_number(v), (int)number.size, number.data,
		       ichor_safepoint(v), (int)safepoint.size, safepoint.data, ichor_time(v));
		printf("xid ");
		quoted(ichor_xid(v));
		printf(" cohort ");
		quoted(ichor_cohort(v));
		printf(" agent ");
		quoted(ichor_agent(v));
		printf("\nitem %u of %u, first %s, last %s: ", ichor_index(item), ichor__u32(item.row + 92), word(i == 0), word(i + 1 == v.items));
		quoted(ichor_action(item));
		printf(" %.*s\n", (int)json.size, json.data);
		print_tokens(item);
	}
	return ICHOR_OK;
}

static int print_input(const char *path) {
	FILE *file = fopen(path, "rb");
	if (file == NULL) return perror(path), 1;
	input_size = (uint32_t)fread(ichor_memory + INPUT_AT, 1, MEMORY - INPUT_AT, file);
	fclose(file);
	if (!ichor__open(INPUT_AT, input_size)) return fprintf(stderr, "%s: no frame\n", path), 1;
	printf("%u bytes, %u records\n", input_size, ichor__in.record_count);
	fflush(stdout);
	return ichor_run(INPUT_AT, input_size, print_version) == 0;
}

// some makes the four answers of output-some: two statements, none, SKIP, REJECT.
static uint64_t some(void) {
	for (int i = 0; i < 4; i++) {
		uint32_t statements = ichor__out.statement_count, arguments = ichor__out.argument_count;
		ichor_status status = ICHOR_OK;
		if (i == 0) {
			ichor_exec(1, (ichor_arg){0, 100, 4}, (ichor_arg){0, 105, 4}, ichor_null());
			ichor_build();
			ichor_add(ichor_literal("made by the guest"));
			ichor_exec(2, ichor_built());
		} else if (i == 2) {
			ichor_exec(1, ichor_null());
			status = ichor_skip();
		} else if (i == 3) {
			ichor_exec(7, ichor_null(), ichor_null());
			status = ichor_reject(3, "%s is %t", "amount", ichor_literal("missing"));
		}
		ichor__settle(status, 1, statements, arguments);
	}
	return ichor__finish();
}

static int print_output(const char *which) {
	ichor__reset();
	ichor__out.text = (ichor__arena){TEXT_AT, FRAME_AT - TEXT_AT, 0};
	ichor__out.frame = (ichor__arena){FRAME_AT, INPUT_AT - FRAME_AT, 0};
	uint64_t packed = strcmp(which, "some") == 0 ? some() : ichor__finish();
	const uint8_t *frame = ichor__at((uint32_t)(packed >> 32));
	for (uint32_t i = 0; i < (uint32_t)packed; i++) printf("%02x%s", frame[i], i % 16 == 15 || i + 1 == (uint32_t)packed ? "\n" : "");
	return 0;
}

#define CHECK(condition) \
	if (!(condition)) return fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition), 1

static bool builds(ichor_arg arg, const char *want) {
	return arg.size == strlen(want) && memcmp(ichor__at(arg.address), want, arg.size) == 0;
}

// texts checks what no golden frame shows: numbers, formats, long texts, long messages.
static int texts(void) {
	CHECK(builds(ichor_signed_arg(INT64_MIN), "-9223372036854775808"));
	CHECK(builds(ichor_unsigned_arg(UINT64_MAX), "18446744073709551615"));
	CHECK(builds(ichor_signed_arg(0), "0"));
	CHECK(builds(ichor_text_arg(ichor_literal("a literal")), "a literal"));
	CHECK(ichor_reject(7, "%u %d %q 100%%", 7u, -7, ichor_literal("x")) == ICHOR_REJECT && ichor__out.code == 7);
	CHECK(builds(ichor__out.message, "7 -7 \"x\" 100%"));
	ichor_arg kept = ichor_text_arg(ichor_literal("kept"));
	ichor_build();
	for (int i = 0; i < 300000; i++) ichor_add_char((char)('a' + i % 26));
	ichor_arg large = ichor_built();
	CHECK(large.size == 300000);
	for (uint32_t i = 0; i < large.size; i++) CHECK(ichor__at(large.address)[i] == 'a' + i % 26);
	CHECK(builds(kept, "kept"));
	char word[1200];
	memset(word, 'x', sizeof word);
	memcpy(word + 1022, "\xe2\x82\xac\xe2\x82\xac", 7); // the sign of the euro lies across the limit
	CHECK(ichor_reject(1, "%s", word) == ICHOR_REJECT && ichor__out.message.size == 1022);
	CHECK(!ichor__open(INPUT_AT, 48) && ichor_run(0, 0, print_version) == 0);
	uint32_t used = ichor_memory_used;
	for (int call = 0; call < 1000; call++) {
		ichor__reset();
		for (int i = 0; i < 3000; i++) ichor_exec(1, ichor_signed_arg(i), ichor_null());
		ichor__finish();
		if (call == 0) used = ichor_memory_used;
	}
	CHECK(ichor_memory_used == used);
	return 0;
}

int main(int count, char **words) {
	ichor_memory = calloc(1, MEMORY);
	ichor_memory_size = MEMORY;
	ichor_memory_used = 32 << 20;
	if (count == 3 && strcmp(words[1], "input") == 0) return print_input(words[2]);
	if (count == 2 && strcmp(words[1], "texts") == 0) return texts();
	return count == 2 ? print_output(words[1]) : 2;
}
