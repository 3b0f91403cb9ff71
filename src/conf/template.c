/*
 * template.c - compiles texts with run-time variables.
 *
 * Runs in: whichever process loads a configuration.  Owns: nothing.
 * Read next: session/variables.c, which gives variables their values.
 */
#include "conf/template.h"

#include "base/str.h"
#include "conf/variable.h"

#include <ctype.h>

/* A template being compiled: its text is copied to `literals` without escapes and variables. */
struct template_compiler {
    struct tp_run_variables variables;
    struct tp_str rest;
    char *literals;        /* behind the bytes of the part being read */
    struct tp_str literal; /* of the part being read */
    struct tp_template_part *parts;
    size_t count;
};

static bool template_goes_on(struct tp_str text);
static size_t template_count_parts(struct tp_str text);
static bool compiler_read_escape(struct template_compiler *compiler);
static enum tp_result compiler_read_variable(struct template_compiler *compiler);
static struct tp_str compiler_find_name(const struct template_compiler *compiler, size_t *len);
static void compiler_append(struct template_compiler *compiler, char byte);
static void compiler_end_part(struct template_compiler *compiler, int variable, struct tp_str name);

enum tp_result
tp__template_compile(struct tp_str text, struct tp_run_variables variables, struct tp_arena *arena,
                     struct tp_template *template)
{
    struct template_compiler compiler = {
        .variables = variables,
        .rest = tp__arena_copy(arena, text),
        .literals = tp__arena_alloc(arena, text.len + TP_TEMPLATE_SLACK),
        .parts = tp__arena_new_array(arena, struct tp_template_part, template_count_parts(text)),
    };

    compiler.literal.data = compiler.literals;
    while (compiler.rest.len > 0) {
        if (compiler.rest.data[0] == '$') {
            enum tp_result result = compiler_read_variable(&compiler);

            if (result != TP_OK) {
                return result;
            }
        } else if (!compiler_read_escape(&compiler)) {
            compiler_append(&compiler, compiler.rest.data[0]);
            compiler.rest = tp__str_skip(compiler.rest, 1);
        }
    }
    if (compiler.literal.len > 0) {
        compiler_end_part(&compiler, -1, TP_STR(""));
    }
    *template = (struct tp_template){ compiler.parts, compiler.count };
    return TP_OK;
}

void
tp__template_quote(struct tp_str literal, struct tp_text *text)
{
    for (size_t i = 0; i < literal.len; i++) {
        if (literal.data[i] == '$' || literal.data[i] == '\\') {
            tp__text_append(text, TP_STR("\\"));
        }
        tp__text_append(text, (struct tp_str){ literal.data + i, 1 });
    }
}

void
tp__template_simplify(struct tp_str template, struct tp_text *text)
{
    while (template.len > 0) {
        size_t len = template.data[0] == '\\' && template.len > 1 ? 2 : 1;

        if (tp__str_starts_with(template, TP_STR("${"))) {
            struct tp_str behind;
            struct tp_str name = tp__str_cut(tp__str_skip(template, 2), '}', &behind);

            if (tp__variable_is_name(name) && !template_goes_on(behind)) {
                tp__text_printf(text, "$%.*s", TP_STR_ARG(name));
                template = behind;
                continue;
            }
        }
        tp__text_append(text, (struct tp_str){ template.data, len });
        template = tp__str_skip(template, len);
    }
}

int
tp__run_variable_find(struct tp_run_variables variables, struct tp_str name, struct tp_str *rest)
{
    for (size_t i = 0; i < variables.count; i++) {
        struct tp_str known = tp__str(variables.rows[i].name);
        bool is_it = variables.rows[i].is_prefix
                         ? name.len > known.len && tp__str_starts_with(name, known)
                         : tp__str_equal(name, known);

        if (is_it) {
            *rest = tp__str_skip(name, known.len);
            return (int) i;
        }
    }
    return -1;
}

/* Would the beginning of `text`, behind a name, be taken for a part of it? */
static bool
template_goes_on(struct tp_str text)
{
    return text.len > 0 && (isalnum((unsigned char) text.data[0]) || text.data[0] == '_');
}

/* As many as there can be: each variable ends one, and one more may follow the last. */
static size_t
template_count_parts(struct tp_str text)
{
    size_t count = 1;

    for (size_t i = 0; i < text.len; i++) {
        count += text.data[i] == '$' ? 1 : 0;
    }
    return count;
}

/* Takes a backslash with the character it stands before; before any other it is one itself. */
static bool
compiler_read_escape(struct template_compiler *compiler)
{
    struct tp_str rest = compiler->rest;

    if (rest.len < 2 || rest.data[0] != '\\' || (rest.data[1] != '$' && rest.data[1] != '\\')) {
        return false;
    }
    compiler_append(compiler, rest.data[1]);
    compiler->rest = tp__str_skip(rest, 2);
    return true;
}

/* Takes $name or ${name}; a '$' before anything else stands for itself. */
static enum tp_result
compiler_read_variable(struct template_compiler *compiler)
{
    size_t len;
    struct tp_str name = compiler_find_name(compiler, &len);
    struct tp_str behind_prefix = TP_STR("");

    compiler->rest = tp__str_skip(compiler->rest, len);
    if (name.len == 0) {
        compiler_append(compiler, '$');
        return TP_OK;
    }
    int variable = tp__run_variable_find(compiler->variables, name, &behind_prefix);

    if (variable == -1) {
        return TP_INVALID;
    }
    compiler_end_part(compiler, variable, behind_prefix);
    return TP_OK;
}

/* The name behind the '$' at hand, empty where there is none; *len is what both take. */
static struct tp_str
compiler_find_name(const struct template_compiler *compiler, size_t *len)
{
    struct tp_str behind;
    struct tp_str rest = tp__str_skip(compiler->rest, 1);

    if (tp__str_starts_with(rest, TP_STR("{"))) {
        struct tp_str name = tp__str_cut(tp__str_skip(rest, 1), '}', &behind);
        bool is_closed = name.len + 1 < rest.len;

        if (is_closed && tp__variable_is_name(name)) {
            *len = name.len + 3;
            return name;
        }
        *len = 1;
        return TP_STR("");
    }
    struct tp_str name = { rest.data, 0 };

    while (name.len < rest.len
           && tp__variable_is_name((struct tp_str){ name.data, name.len + 1 })) {
        name.len++;
    }
    *len = name.len + 1;
    return name;
}

static void
compiler_append(struct template_compiler *compiler, char byte)
{
    *compiler->literals++ = byte;
    compiler->literal.len++;
}

static void
compiler_end_part(struct template_compiler *compiler, int variable, struct tp_str name)
{
    compiler->parts[compiler->count++] = (struct tp_template_part){
        .text = compiler->literal,
        .variable = variable,
        .name = name,
    };
    compiler->literal = (struct tp_str){ compiler->literals, 0 };
}
