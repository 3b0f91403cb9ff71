// usage.cc - the library from C++: handlers that are lambdas, a session of both
// ends in one thread.
#include <teleport/teleport.h>

#include <string>

namespace {

struct Answer {
    int code = 0;
    std::string body;
};

std::string
text_of(tp_str text)
{
    return std::string(text.data, text.len);
}

bool
listens_and_asks(tp_peer *server, tp_peer *client, Answer *answer)
{
    tp_session *session = nullptr;
    tp_send_options how = tp_send_options();
    uint16_t port = 0;

    how.body_codec = TP_CODEC_PLAIN;
    if (tp_peer_on_pull(
            server, "/upper",
            [](tp_exchange *exchange, void *) {
                tp_str body;

                if (tp_exchange_read_body(exchange, &body) != TP_OK) {
                    return;
                }
                std::string text = text_of(body) + "!";

                tp_exchange_reply_copy(exchange, tp_str{ text.data(), text.size() },
                                       TP_CODEC_PLAIN);
            },
            nullptr)
            != TP_OK
        || tp_peer_listen(server, "127.0.0.1:0", &port) != TP_OK
        || tp_peer_dial(client, ("127.0.0.1:" + std::to_string(port)).c_str(), nullptr, &session)
               != TP_OK) {
        return false;
    }
    return tp_session_pull_async(
               session, TP_STR("/upper"), TP_STR("hello"), &how,
               [](const tp_reply *reply, void *owner) {
                   Answer *told = static_cast<Answer *>(owner);

                   told->code = tp_reply_status(reply)->code;
                   told->body = text_of(tp_reply_body(reply));
               },
               answer)
           == TP_OK;
}

} // namespace

int
main()
{
    tp_peer_options options = TP_PEER_OPTIONS;
    tp_peer *server = nullptr;
    tp_peer *client = nullptr;
    Answer answer;

    if (tp_peer_create(&options, &server) != TP_OK || tp_peer_create(&options, &client) != TP_OK
        || !listens_and_asks(server, client, &answer)) {
        return 1;
    }
    while (answer.code == 0) {
        tp_peer_turn(server, 0);
        tp_peer_turn(client, 1);
    }
    tp_peer_destroy(&client);
    tp_peer_destroy(&server);
    return answer.code == TP_STATUS_OK && answer.body == "hello!" ? 0 : 1;
}
