#include "wheel.h"

void wheel_init(struct wheel *wheel, struct client *clients, uint32_t now_ms)
{
    wheel->clients = clients;
    wheel->done_ms = now_ms;
    wheel->count = 0;
    memset(wheel->slots, 0xff, sizeof(wheel->slots));
}

void wheel_add(struct wheel *wheel, uint32_t client, uint32_t due_ms)
{
    struct client *c = &wheel->clients[client];
    uint32_t *head;

    c->due_ms = due_ms > wheel->done_ms ? due_ms : wheel->done_ms + 1;
    head = &wheel->slots[c->due_ms % WHEEL_SLOTS];
    c->link_prev = CLIENT_NONE;
    c->link_next = *head;
    if (*head != CLIENT_NONE) {
        wheel->clients[*head].link_prev = client;
    }
    *head = client;
    wheel->count++;
}

void wheel_remove(struct wheel *wheel, uint32_t client)
{
    const struct client *c = &wheel->clients[client];

    if (c->link_prev != CLIENT_NONE) {
        wheel->clients[c->link_prev].link_next = c->link_next;
    } else {
        T6_ASSERT(wheel->slots[c->due_ms % WHEEL_SLOTS] == client);
        wheel->slots[c->due_ms % WHEEL_SLOTS] = c->link_next;
    }
    if (c->link_next != CLIENT_NONE) {
        wheel->clients[c->link_next].link_prev = c->link_prev;
    }
    wheel->count--;
}

unsigned wheel_expire(struct wheel *wheel, uint32_t now_ms, uint32_t *ret_clients, unsigned max)
{
    unsigned count = 0;

    while (wheel->done_ms < now_ms) {
        uint32_t client = wheel->slots[(wheel->done_ms + 1) % WHEEL_SLOTS];

        while (client != CLIENT_NONE) {
            uint32_t next = wheel->clients[client].link_next;

            if (wheel->clients[client].due_ms <= wheel->done_ms + 1) {
                if (count == max) {
                    return count;
                }
                wheel_remove(wheel, client);
                ret_clients[count++] = client;
            }
            client = next;
        }
        wheel->done_ms++;
    }
    return count;
}
