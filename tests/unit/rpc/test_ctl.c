/* The command line's own parts: arguments to JSON, JSON to columns. */
#include <stdlib.h>

#include "check.h"
#include "params.h"
#include "table.h"

static void expect_params(char **argv, int argc, const char *wanted)
{
    char error[PARAMS_ERROR_MAX] = "";
    json_t *json = params_parse(argc, argv, error);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

    if (wanted) {
        CHECK(text != NULL);
        CHECK_STR(text ? text : error, wanted);
    } else {
        CHECK(json == NULL);
        CHECK(error[0] != '\0');
    }
    free(text);
    json_decref(json);
}

#define ARGS(...) (char *[]){__VA_ARGS__}, (int)(sizeof((char *[]){__VA_ARGS__}) / sizeof(char *))

static void test_params(void)
{
    expect_params(NULL, 0, "{}");
    expect_params(ARGS("limit=5", "name=olt-17", "on=true", "off=null"),
                  "{\"limit\":5,\"name\":\"olt-17\",\"on\":true,\"off\":null}");
    expect_params(ARGS("a.b=c", "a.d=[1,\"x\"]", "a.e.f=\"5\""),
                  "{\"a\":{\"b\":\"c\",\"d\":[1,\"x\"],\"e\":{\"f\":\"5\"}}}");
    expect_params(ARGS("address=2001:db8::1", "t=a=b", "empty="),
                  "{\"address\":\"2001:db8::1\",\"t\":\"a=b\",\"empty\":\"\"}");
    expect_params(ARGS("duid=0001ab"), "{\"duid\":\"0001ab\"}");
    expect_params(ARGS("v={\"x\": 1}"), "{\"v\":{\"x\":1}}");
    expect_params(ARGS("x"), NULL);
    expect_params(ARGS("=x"), NULL);
    expect_params(ARGS("a..b=x"), NULL);
    expect_params(ARGS("a.=x"), NULL);
    expect_params(ARGS("a=1", "a=2"), NULL);
    expect_params(ARGS("a=1", "a.b=2"), NULL);
    expect_params(ARGS("a=\xff"), NULL);
    expect_params(ARGS("a.b.c.d.e.f.g.h.i=1"), NULL);
}

static void test_cells(void)
{
    json_t *evil = json_string("a\x1b[31m\nb"), *list = json_pack("[i, i]", 1, 2);
    char text[16];

    table_cell(evil, text, sizeof(text));
    CHECK_STR(text, "a?[31m?b");
    table_cell(list, text, sizeof(text));
    CHECK_STR(text, "[1,2]");
    table_cell(NULL, text, sizeof(text));
    CHECK_STR(text, "-");
    table_cell(json_true(), text, sizeof(text));
    CHECK_STR(text, "yes");
    json_decref(evil);
    json_decref(list);
    table_duration(59, text, sizeof(text));
    CHECK_STR(text, "59s");
    table_duration(3599, text, sizeof(text));
    CHECK_STR(text, "59m 59s");
    table_duration(90000, text, sizeof(text));
    CHECK_STR(text, "1d 1h");
}

static void test_table(void)
{
    static const struct table_column columns[] = {
        {"a", "NAME", false}, {"none", "NONE", false}, {"n", "N", true}, {0}};
    json_t *rows = json_pack("[{s:s, s:i}, {s:s, s:i, s:n}]", "a", "z\xc3\xbcrich", "n", 5, "a",
                             "x", "n", 1000, "none");
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    table_print(out, columns, rows);
    CHECK_EQ(fclose(out), 0);
    CHECK_STR(text, "NAME       N\nz\xc3\xbcrich     5\nx       1000\n");
    free(text);
    json_decref(rows);
}

static const struct check_test tests[] = {
    {"params", test_params},
    {"cells", test_cells},
    {"table", test_table},
};

CHECK_MAIN(tests)
