/*
 * gzip.c - the filter that deflates and inflates bodies, on zlib.
 *
 * zlib sees raw deflate data only; header and trailer (RFC 1952) are read and written
 * here, because the Go implementation's streams have neither a final block nor a
 * trailer: they stop behind a sync flush, which zlib's own reader takes for a cut.
 *
 * A worker has one inflater and one deflater, made when first needed and reset for each
 * body.  Their output passes through one scratch area, so that a body takes the memory
 * its bytes need and not that of the worst case.
 *
 * Runs in: worker.  Owns: zlib's memory, about 300 KB in a worker that does both.
 */
#include <teleport/module.h>

#include <limits.h>
#include <string.h>

#define ZLIB_CONST
#include <zlib.h>

enum {
    GZIP_SCRATCH_BYTES = TP_BUF_STANDARD, /* so that full pieces are standard buffers */
    GZIP_RAW_WINDOW_BITS = -15,           /* negative: deflate data without a header of zlib's */
    GZIP_MEMORY_LEVEL = 8,
    GZIP_LEVEL_HUFFMAN_ONLY = -2,
    GZIP_LEVEL_FASTEST = 1,
    GZIP_LEVEL_BEST = 9,

    GZIP_HEADER_BYTES = 10, /* without the optional fields */
    GZIP_TRAILER_BYTES = 8,
    GZIP_METHOD_DEFLATE = 8,
    GZIP_SYSTEM_UNKNOWN = 255,
    GZIP_EXTRA_BEST = 2, /* what the ninth byte tells of the level */
    GZIP_EXTRA_FASTEST = 4,

    GZIP_FLAG_HEADER_CRC = 1 << 1, /* FTEXT, 1 << 0, is of no consequence */
    GZIP_FLAG_EXTRA = 1 << 2,
    GZIP_FLAG_NAME = 1 << 3,
    GZIP_FLAG_COMMENT = 1 << 4,
    GZIP_FLAGS_RESERVED = 0xe0,

    /* What inflate() leaves in data_type, besides the number of bits not yet used. */
    GZIP_INFLATE_UNUSED_BITS = 63,
    GZIP_INFLATE_IN_FINAL_BLOCK = 64,
    GZIP_INFLATE_BETWEEN_BLOCKS = 128,
};

struct gzip_state {
    z_stream inflater;
    z_stream deflater;
    bool has_inflater;
    bool has_deflater;
    int level; /* of the deflater */
    uint8_t scratch[GZIP_SCRATCH_BYTES];
};

/* What is left of a chain, piece by piece. */
struct gzip_input {
    const struct tp_slice *slices;
    size_t slice_used; /* of the first slice */
    size_t left;       /* of all together */
    uLong crc;         /* of the bytes taken one by one */
};

/* Where a stream's output goes: through the scratch area to a chain. */
struct gzip_output {
    z_stream *stream;
    uint8_t *scratch;
    uint64_t limit;
    struct tp_buf_pool *pool;
    struct tp_chain *chain;
};

static void gzip_fini(void *state);
static enum tp_result gzip_undo(void *state, const struct tp_chain *filtered, struct tp_size limit,
                                struct tp_buf_pool *pool, struct tp_chain *plain);
static enum tp_result gzip_undo_front(void *state, const struct tp_chain *front,
                                      struct tp_size limit, struct tp_buf_pool *pool,
                                      struct tp_chain *plain);
static enum tp_result gzip_start_inflater(struct gzip_state *gzip);
static bool gzip_read_header(struct gzip_input *input);
static bool gzip_read_optional_fields(struct gzip_input *input, uint8_t flags);
static bool gzip_skip_text(struct gzip_input *input);
static bool gzip_take_short(struct gzip_input *input, unsigned *value);
static bool gzip_take_byte(struct gzip_input *input, uint8_t *byte);
static enum tp_result gzip_inflate(struct gzip_input *input, struct gzip_output *output,
                                   bool *has_final_block);
static bool gzip_stops_behind_flush(const z_stream *stream, const struct tp_chain *filtered);
static bool gzip_trailer_fits(const struct tp_chain *filtered, size_t rest,
                              const struct tp_chain *plain);
static uLong gzip_chain_crc(const struct tp_chain *chain);
static enum tp_result gzip_apply(void *state, int level, const struct tp_chain *plain,
                                 struct tp_buf_pool *pool, struct tp_chain *filtered);
static enum tp_result gzip_start_deflater(struct gzip_state *gzip, int level);
static void gzip_write_header(struct gzip_output *output, int level);
static enum tp_result gzip_deflate(struct gzip_input *input, struct gzip_output *output);
static enum tp_result gzip_write_trailer(struct gzip_output *output, const struct tp_chain *plain);
static void gzip_input_start(struct gzip_input *input, const struct tp_chain *chain);
static void gzip_input_feed(struct gzip_input *input, z_stream *stream);
static void gzip_output_open(struct gzip_output *output);
static enum tp_result gzip_output_emit(struct gzip_output *output);
static void gzip_output_put(struct gzip_output *output, const uint8_t *bytes, size_t len);
static uint32_t gzip_get_long(const uint8_t *bytes);
static void gzip_set_long(uint8_t *bytes, uint32_t value);

static const struct tp_filter gzip_filter = {
    .id = TP_FILTER_GZIP,
    .name = "gzip",
    .brief = "Bodies deflated, as a gzip stream.",
    .level_min = TP_GZIP_LEVEL_MIN,
    .level_max = TP_GZIP_LEVEL_MAX,
    .state_size = sizeof(struct gzip_state),
    .fini = gzip_fini,
    .undo = gzip_undo,
    .undo_front = gzip_undo_front,
    .apply = gzip_apply,
};

const struct tp_module tp_module_gzip = {
    .name = "gzip",
    .brief = "Filter that deflates and inflates bodies.",
    .run_after = "",
    .filter = &gzip_filter,
};

static void
gzip_fini(void *state)
{
    struct gzip_state *gzip = state;

    if (gzip->has_inflater) {
        inflateEnd(&gzip->inflater);
    }
    if (gzip->has_deflater) {
        deflateEnd(&gzip->deflater);
    }
    memset(gzip, 0, sizeof(*gzip));
}

static enum tp_result
gzip_undo(void *state, const struct tp_chain *filtered, struct tp_size limit,
          struct tp_buf_pool *pool, struct tp_chain *plain)
{
    struct gzip_state *gzip = state;
    struct gzip_output output = { &gzip->inflater, gzip->scratch, limit.bytes, pool, plain };
    struct gzip_input input;
    bool has_final_block = false;
    enum tp_result result;

    if (filtered->len == 0) {
        return TP_OK;
    }
    gzip_input_start(&input, filtered);
    if (!gzip_read_header(&input)) {
        return TP_INVALID;
    }
    result = gzip_start_inflater(gzip);
    if (result == TP_OK) {
        result = gzip_inflate(&input, &output, &has_final_block);
    }
    if (result == TP_OK
        && !(has_final_block
                 ? gzip_trailer_fits(filtered, input.left + gzip->inflater.avail_in, plain)
                 : gzip_stops_behind_flush(&gzip->inflater, filtered))) {
        result = TP_INVALID;
    }
    if (result != TP_OK) {
        tp_chain_clear(plain);
    }
    return result;
}

/* A header that is not all there yet says as little as no bytes at all. */
static enum tp_result
gzip_undo_front(void *state, const struct tp_chain *front, struct tp_size limit,
                struct tp_buf_pool *pool, struct tp_chain *plain)
{
    struct gzip_state *gzip = state;
    z_stream *stream = &gzip->inflater;
    struct gzip_input input;

    gzip_input_start(&input, front);
    if (!gzip_read_header(&input)) {
        return input.left == 0 ? TP_OK : TP_INVALID;
    }
    enum tp_result result = gzip_start_inflater(gzip);
    int code = Z_OK;

    stream->next_out = gzip->scratch;
    stream->avail_out = limit.bytes < GZIP_SCRATCH_BYTES ? (uInt) limit.bytes : GZIP_SCRATCH_BYTES;
    while (result == TP_OK && code == Z_OK && stream->avail_out > 0
           && input.left + stream->avail_in > 0) {
        if (stream->avail_in == 0) {
            gzip_input_feed(&input, stream);
        }
        code = inflate(stream, Z_SYNC_FLUSH);
    }
    if (result != TP_OK || code == Z_MEM_ERROR) {
        return TP_NO_MEMORY;
    }
    size_t len = (size_t) (stream->next_out - gzip->scratch);

    /* How far zlib looks ahead depends on how the input is cut: what came out counts first. */
    if (len == 0 && code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) {
        return TP_INVALID;
    }
    return len == 0 ? TP_OK
                    : tp_chain_append_copy(plain, pool,
                                           (struct tp_str){ (const char *) gzip->scratch, len });
}

static enum tp_result
gzip_start_inflater(struct gzip_state *gzip)
{
    int code;

    if (gzip->has_inflater) {
        code = inflateReset(&gzip->inflater);
    } else {
        code = inflateInit2(&gzip->inflater, GZIP_RAW_WINDOW_BITS);
        gzip->has_inflater = code == Z_OK;
    }
    gzip->inflater.avail_in = 0;
    TP_ASSERT(code == Z_OK || code == Z_MEM_ERROR);
    return code == Z_OK ? TP_OK : TP_NO_MEMORY;
}

static bool
gzip_read_header(struct gzip_input *input)
{
    uint8_t header[GZIP_HEADER_BYTES];

    for (size_t i = 0; i < sizeof(header); i++) {
        if (!gzip_take_byte(input, &header[i])) {
            return false;
        }
    }
    return header[0] == 0x1f && header[1] == 0x8b && header[2] == GZIP_METHOD_DEFLATE
           && (header[3] & GZIP_FLAGS_RESERVED) == 0 && gzip_read_optional_fields(input, header[3]);
}

/* Nothing in them is needed; they only stand before the data. */
static bool
gzip_read_optional_fields(struct gzip_input *input, uint8_t flags)
{
    unsigned len = 0;
    uint8_t byte;

    if ((flags & GZIP_FLAG_EXTRA) != 0 && !gzip_take_short(input, &len)) {
        return false;
    }
    for (unsigned i = 0; i < len; i++) {
        if (!gzip_take_byte(input, &byte)) {
            return false;
        }
    }
    if ((flags & GZIP_FLAG_NAME) != 0 && !gzip_skip_text(input)) {
        return false;
    }
    if ((flags & GZIP_FLAG_COMMENT) != 0 && !gzip_skip_text(input)) {
        return false;
    }
    if ((flags & GZIP_FLAG_HEADER_CRC) != 0) {
        unsigned wanted = (unsigned) (input->crc & 0xffff);
        unsigned found;

        return gzip_take_short(input, &found) && found == wanted;
    }
    return true;
}

static bool
gzip_skip_text(struct gzip_input *input)
{
    uint8_t byte;

    while (gzip_take_byte(input, &byte)) {
        if (byte == '\0') {
            return true;
        }
    }
    return false;
}

static bool
gzip_take_short(struct gzip_input *input, unsigned *value)
{
    uint8_t low;
    uint8_t high;

    if (!gzip_take_byte(input, &low) || !gzip_take_byte(input, &high)) {
        return false;
    }
    *value = low | (unsigned) high << 8;
    return true;
}

static bool
gzip_take_byte(struct gzip_input *input, uint8_t *byte)
{
    if (input->left == 0) {
        return false;
    }
    while (input->slice_used == input->slices->len) {
        input->slices++;
        input->slice_used = 0;
    }
    *byte = input->slices->data[input->slice_used];
    input->slice_used++;
    input->left--;
    input->crc = crc32(input->crc, byte, 1);
    return true;
}

/*
 * Inflates until the final block ends or the input does.  *has_final_block tells which;
 * what stands behind a final block is still in the input.
 */
static enum tp_result
gzip_inflate(struct gzip_input *input, struct gzip_output *output, bool *has_final_block)
{
    z_stream *stream = output->stream;
    bool is_over = false;

    gzip_output_open(output);
    while (!is_over) {
        int code;

        if (stream->avail_in == 0) {
            gzip_input_feed(input, stream);
        }
        code = inflate(stream, Z_NO_FLUSH);
        if (code == Z_MEM_ERROR) {
            return TP_NO_MEMORY;
        }
        if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) {
            return TP_INVALID;
        }
        *has_final_block = code == Z_STREAM_END;
        /* Room that was not used means that zlib has nothing more to give. */
        is_over = *has_final_block
                  || (input->left == 0 && stream->avail_in == 0 && stream->avail_out > 0);
        if (is_over || stream->avail_out == 0) {
            enum tp_result result = gzip_output_emit(output);

            if (result != TP_OK) {
                return result;
            }
        }
    }
    return TP_OK;
}

/*
 * A sync flush is an empty stored block: its lengths end the input, on a byte boundary.
 * Without it the input was cut somewhere, though perhaps between two blocks.
 */
static bool
gzip_stops_behind_flush(const z_stream *stream, const struct tp_chain *filtered)
{
    static const uint8_t flush[] = { 0x00, 0x00, 0xff, 0xff };
    const int where =
        GZIP_INFLATE_BETWEEN_BLOCKS | GZIP_INFLATE_IN_FINAL_BLOCK | GZIP_INFLATE_UNUSED_BITS;
    uint8_t tail[sizeof(flush)];

    tp_chain_copy(filtered, filtered->len - sizeof(tail), sizeof(tail), tail);
    return (stream->data_type & where) == GZIP_INFLATE_BETWEEN_BLOCKS
           && memcmp(tail, flush, sizeof(flush)) == 0;
}

/* `rest` bytes stand behind the final block: nothing, or the right trailer and no more. */
static bool
gzip_trailer_fits(const struct tp_chain *filtered, size_t rest, const struct tp_chain *plain)
{
    uint8_t trailer[GZIP_TRAILER_BYTES];

    if (rest == 0) {
        return true;
    }
    if (rest != sizeof(trailer)) {
        return false;
    }
    tp_chain_copy(filtered, filtered->len - rest, rest, trailer);
    return gzip_get_long(trailer) == (uint32_t) gzip_chain_crc(plain)
           && gzip_get_long(trailer + 4) == (uint32_t) plain->len;
}

static uLong
gzip_chain_crc(const struct tp_chain *chain)
{
    uLong crc = crc32(0, NULL, 0);
    size_t count;
    const struct tp_slice *slices = tp_chain_slices(chain, &count);

    for (size_t i = 0; i < count; i++) {
        if (slices[i].len > 0) {
            crc = crc32_z(crc, slices[i].data, slices[i].len);
        }
    }
    return crc;
}

static enum tp_result
gzip_apply(void *state, int level, const struct tp_chain *plain, struct tp_buf_pool *pool,
           struct tp_chain *filtered)
{
    struct gzip_state *gzip = state;
    struct gzip_output output = { &gzip->deflater, gzip->scratch, UINT64_MAX, pool, filtered };
    struct gzip_input input;
    enum tp_result result;

    if (level < TP_GZIP_LEVEL_MIN || level > TP_GZIP_LEVEL_MAX) {
        return TP_INVALID;
    }
    result = gzip_start_deflater(gzip, level);
    if (result != TP_OK) {
        return result;
    }
    gzip_input_start(&input, plain);
    gzip_output_open(&output);
    gzip_write_header(&output, level);
    result = gzip_deflate(&input, &output);
    if (result == TP_OK) {
        result = gzip_write_trailer(&output, plain);
    }
    if (result != TP_OK) {
        tp_chain_clear(filtered);
    }
    return result;
}

static enum tp_result
gzip_start_deflater(struct gzip_state *gzip, int level)
{
    bool is_huffman_only = level == GZIP_LEVEL_HUFFMAN_ONLY;
    int zlib_level = is_huffman_only ? Z_DEFAULT_COMPRESSION : level;
    int strategy = is_huffman_only ? Z_HUFFMAN_ONLY : Z_DEFAULT_STRATEGY;
    int code;

    if (!gzip->has_deflater) {
        code = deflateInit2(&gzip->deflater, zlib_level, Z_DEFLATED, GZIP_RAW_WINDOW_BITS,
                            GZIP_MEMORY_LEVEL, strategy);
        gzip->has_deflater = code == Z_OK;
    } else {
        code = deflateReset(&gzip->deflater);
        if (code == Z_OK && gzip->level != level) {
            /* Some releases look for room to write to, although nothing waits to be written. */
            gzip->deflater.avail_in = 0;
            gzip->deflater.next_out = gzip->scratch;
            gzip->deflater.avail_out = sizeof(gzip->scratch);
            code = deflateParams(&gzip->deflater, zlib_level, strategy);
        }
    }
    gzip->level = level;
    gzip->deflater.avail_in = 0;
    TP_ASSERT(code == Z_OK || code == Z_MEM_ERROR);
    return code == Z_OK ? TP_OK : TP_NO_MEMORY;
}

/* The same ten bytes that the Go implementation writes: no time, no name, no system. */
static void
gzip_write_header(struct gzip_output *output, int level)
{
    uint8_t header[GZIP_HEADER_BYTES] = { 0x1f, 0x8b, GZIP_METHOD_DEFLATE };

    if (level == GZIP_LEVEL_BEST) {
        header[8] = GZIP_EXTRA_BEST;
    } else if (level == GZIP_LEVEL_FASTEST) {
        header[8] = GZIP_EXTRA_FASTEST;
    }
    header[9] = GZIP_SYSTEM_UNKNOWN;
    gzip_output_put(output, header, sizeof(header));
}

static enum tp_result
gzip_deflate(struct gzip_input *input, struct gzip_output *output)
{
    z_stream *stream = output->stream;
    int code = Z_OK;

    while (code != Z_STREAM_END) {
        if (stream->avail_in == 0) {
            gzip_input_feed(input, stream);
        }
        code = deflate(stream, input->left == 0 ? Z_FINISH : Z_NO_FLUSH);
        TP_ASSERT(code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR);
        if (stream->avail_out == 0) {
            enum tp_result result = gzip_output_emit(output);

            if (result != TP_OK) {
                return result;
            }
        }
    }
    return TP_OK;
}

static enum tp_result
gzip_write_trailer(struct gzip_output *output, const struct tp_chain *plain)
{
    uint8_t trailer[GZIP_TRAILER_BYTES];

    gzip_set_long(trailer, (uint32_t) gzip_chain_crc(plain));
    gzip_set_long(trailer + 4, (uint32_t) plain->len);
    if (output->stream->avail_out < sizeof(trailer)) {
        enum tp_result result = gzip_output_emit(output);

        if (result != TP_OK) {
            return result;
        }
    }
    gzip_output_put(output, trailer, sizeof(trailer));
    return gzip_output_emit(output);
}

static void
gzip_input_start(struct gzip_input *input, const struct tp_chain *chain)
{
    size_t count;

    *input = (struct gzip_input){
        .slices = tp_chain_slices(chain, &count),
        .left = chain->len,
        .crc = crc32(0, NULL, 0),
    };
}

/* Gives the stream, which has used up what it had, the next piece; at the end nothing. */
static void
gzip_input_feed(struct gzip_input *input, z_stream *stream)
{
    size_t len;

    if (input->left == 0) {
        return;
    }
    while (input->slice_used == input->slices->len) {
        input->slices++;
        input->slice_used = 0;
    }
    len = input->slices->len - input->slice_used;
    if (len > UINT_MAX) {
        len = UINT_MAX;
    }
    stream->next_in = input->slices->data + input->slice_used;
    stream->avail_in = (uInt) len;
    input->slice_used += len;
    input->left -= len;
}

/* Room for what may still come, and one byte more: to see that it was too much. */
static void
gzip_output_open(struct gzip_output *output)
{
    uint64_t left = output->limit - output->chain->len;

    output->stream->next_out = output->scratch;
    output->stream->avail_out =
        left < GZIP_SCRATCH_BYTES ? (uInt) left + 1 : (uInt) GZIP_SCRATCH_BYTES;
}

/* Moves what the stream has written to the chain, in a buffer of that size. */
static enum tp_result
gzip_output_emit(struct gzip_output *output)
{
    size_t len = (size_t) (output->stream->next_out - output->scratch);

    if (len > output->limit - output->chain->len) {
        return TP_TOO_LARGE;
    }
    if (len > 0) {
        struct tp_buf *buf = tp_buf_make(output->pool, len);
        enum tp_result result;

        if (buf == NULL) {
            return TP_NO_MEMORY;
        }
        memcpy(buf->bytes, output->scratch, len);
        result = tp_chain_append(output->chain, (struct tp_slice){ buf, buf->bytes, len });
        if (result != TP_OK) {
            return result;
        }
    }
    gzip_output_open(output);
    return TP_OK;
}

/* For header and trailer, which there is room for. */
static void
gzip_output_put(struct gzip_output *output, const uint8_t *bytes, size_t len)
{
    TP_ASSERT(len <= output->stream->avail_out);
    memcpy(output->stream->next_out, bytes, len);
    output->stream->next_out += len;
    output->stream->avail_out -= (uInt) len;
}

static uint32_t
gzip_get_long(const uint8_t *bytes)
{
    return bytes[0] | (uint32_t) bytes[1] << 8 | (uint32_t) bytes[2] << 16
           | (uint32_t) bytes[3] << 24;
}

static void
gzip_set_long(uint8_t *bytes, uint32_t value)
{
    for (size_t i = 0; i < 4; i++) {
        bytes[i] = (uint8_t) (value >> (8 * i));
    }
}
