/*
 * balance.c - which one of several is next: in turn, by load, or by hash.
 *
 * Runs in: worker.  Owns: the ring.  Read next: upstream.c, which asks.
 */
#include "upstream/balance.h"

#include "base/hash.h"

#include <stdlib.h>

enum {
    POINTS_PER_WEIGHT = 160, /* so that what each gets is within some percent of its share */
    POINTS_MAX = 1 << 18,    /* of a ring */
};

static unsigned ring_coarseness(const struct tp_balancer *balancer, size_t *count);
static size_t points_of(const struct tp_share *share, unsigned coarseness);
static bool is_less_busy(const struct tp_share *one, const struct tp_share *other);
static int point_compare(const void *one, const void *other);

size_t
tp__balance_in_turn(struct tp_balancer *balancer)
{
    size_t best = SIZE_MAX;
    int64_t weights = 0;

    for (size_t i = 0; i < balancer->count; i++) {
        struct tp_share *share = &balancer->shares[i];

        if (!share->is_usable) {
            continue;
        }
        weights += share->weight;
        share->credit += share->weight;
        if (best == SIZE_MAX || share->credit > balancer->shares[best].credit) {
            best = i;
        }
    }
    if (best != SIZE_MAX) {
        balancer->shares[best].credit -= weights;
    }
    return best;
}

size_t
tp__balance_least_pending(struct tp_balancer *balancer)
{
    size_t best = SIZE_MAX;

    for (size_t i = 0; i < balancer->count; i++) {
        const struct tp_share *share = &balancer->shares[i];

        if (share->is_usable
            && (best == SIZE_MAX || is_less_busy(share, &balancer->shares[best]))) {
            best = i;
        }
    }
    if (best == SIZE_MAX) {
        return best;
    }
    /* Those who are as idle as the best one take turns. */
    for (size_t i = 0; i < balancer->count; i++) {
        balancer->shares[i].is_usable &=
            !is_less_busy(&balancer->shares[best], &balancer->shares[i]);
    }
    return tp__balance_in_turn(balancer);
}

size_t
tp__balance_by_hash(const struct tp_balancer *balancer, uint64_t hash)
{
    size_t first = 0;
    size_t end = balancer->point_count;

    while (first < end) {
        size_t middle = first + (end - first) / 2;

        if (balancer->points[middle].upto < hash) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    for (size_t i = 0; i < balancer->point_count; i++) {
        const struct tp_ring_point *point = &balancer->points[(first + i) % balancer->point_count];

        if (balancer->shares[point->share].is_usable) {
            return point->share;
        }
    }
    return SIZE_MAX;
}

enum tp_result
tp__balancer_make_ring(struct tp_balancer *balancer)
{
    size_t count;
    unsigned coarseness = ring_coarseness(balancer, &count);
    struct tp_ring_point *points = malloc((count + 1) * sizeof(*points));

    if (points == NULL) {
        return TP_NO_MEMORY;
    }
    count = 0;
    for (size_t i = 0; i < balancer->count; i++) {
        const struct tp_share *share = &balancer->shares[i];
        size_t own_count = points_of(share, coarseness);

        for (size_t j = 0; j < own_count; j++) {
            points[count++] = (struct tp_ring_point){
                .upto = tp__hash_number(share->mark ^ tp__hash_number(j)),
                .share = (uint32_t) i,
            };
        }
    }
    qsort(points, count, sizeof(*points), point_compare);
    free(balancer->points);
    balancer->points = points;
    balancer->point_count = count;
    return TP_OK;
}

void
tp__balancer_fini(struct tp_balancer *balancer)
{
    free(balancer->points);
    balancer->points = NULL;
    balancer->point_count = 0;
}

/* By how many bits the numbers of points are cut so that the ring is not too large. */
static unsigned
ring_coarseness(const struct tp_balancer *balancer, size_t *count)
{
    unsigned coarseness = 0;

    for (;;) {
        *count = 0;
        for (size_t i = 0; i < balancer->count; i++) {
            *count += points_of(&balancer->shares[i], coarseness);
        }
        if (*count <= POINTS_MAX + balancer->count) {
            return coarseness;
        }
        coarseness++;
    }
}

/* It depends on nobody else, so that those who stay keep their places. */
static size_t
points_of(const struct tp_share *share, unsigned coarseness)
{
    uint64_t own = ((uint64_t) share->weight * POINTS_PER_WEIGHT) >> coarseness;

    return own == 0 ? 1 : (size_t) own;
}

/* pending / weight, without a division. */
static bool
is_less_busy(const struct tp_share *one, const struct tp_share *other)
{
    return (uint64_t) one->pending * other->weight < (uint64_t) other->pending * one->weight;
}

static int
point_compare(const void *one, const void *other)
{
    const struct tp_ring_point *a = one;
    const struct tp_ring_point *b = other;

    if (a->upto != b->upto) {
        return a->upto < b->upto ? -1 : 1;
    }
    return a->share < b->share ? -1 : (int) (a->share > b->share);
}
