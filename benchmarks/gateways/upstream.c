/* A model server that answers at once: OpenAI's chat completions over HTTP/1.1, one thread.
 *
 *     upstream PORT CHUNKS GAP_US
 *
 * A request whose body says "stream": true gets CHUNKS events, GAP_US apart; any other gets one JSON answer. Every answer and every event
 * holds `t=` and 18 digits: the CLOCK_MONOTONIC nanosecond at which it was written, so that a client on this machine can time its way.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST_FILES = 4096, MOST_REQUEST_BYTES = 1 << 20 };

typedef struct {
  int fd;
  size_t length;   /* of what has arrived */
  int events_left; /* of the stream being sent; 0: none is */
  bool streaming;
  uint64_t due_ns; /* when its next event goes out */
  char arrived[MOST_REQUEST_BYTES + 1];
} Connection;

static Connection *connections[MOST_FILES];
static int streaming; /* connections with a stream */
static int events_per_stream;
static uint64_t gap_ns;

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Whoever has gone is noticed at the next read. */
static void send_all(int fd, const char *data, size_t length) {
  while (length) {
    ssize_t sent = send(fd, data, length, MSG_NOSIGNAL);
    if (sent > 0) {
      data += sent;
      length -= (size_t)sent;
    } else {
      struct pollfd room = {.fd = fd, .events = POLLOUT};
      if (errno != EAGAIN || poll(&room, 1, 1000) <= 0) return;
    }
  }
}

static void send_json(int fd, const char *json) {
  char answer[2048];
  int length = snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", strlen(json), json);
  send_all(fd, answer, (size_t)length);
}

static void send_completion(int fd) {
  char json[1024];
  snprintf(json, sizeof json,
           "{\"id\":\"chatcmpl-bench000000000000000000001\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":\"mock-model\","
           "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"t=%018llu The three decisions are these: the bridge is "
           "closed from Monday, the ferry takes its traffic until the end of the month, and the council meets again when the surveyors have "
           "read their gauges. Nothing else in the note asks for an answer.\"},\"logprobs\":null,\"finish_reason\":\"stop\"}],"
           "\"usage\":{\"prompt_tokens\":161,\"completion_tokens\":52,\"total_tokens\":213},\"system_fingerprint\":\"fp_bench\"}",
           (unsigned long long)now_ns());
  send_json(fd, json);
}

static void send_event(int fd, const char *rest) {
  static const char *start = "data: {\"id\":\"chatcmpl-bench000000000000000000001\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,"
                             "\"model\":\"mock-model\",";
  char event[1024];
  size_t size = strlen(start) + strlen(rest) + 2;
  int length = snprintf(event, sizeof event, "%zx\r\n%s%s\n\n\r\n", size, start, rest);
  send_all(fd, event, (size_t)length);
}

static void begin_stream(Connection *connection) {
  static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n";
  send_all(connection->fd, head, sizeof head - 1);
  connection->streaming = true;
  connection->events_left = events_per_stream;
  connection->due_ns = now_ns() + gap_ns;
  streaming++;
}

static void next_event(Connection *connection) {
  char rest[256];
  if (connection->events_left) {
    const char *role = connection->events_left == events_per_stream ? "\"role\":\"assistant\"," : "";
    snprintf(rest, sizeof rest, "\"choices\":[{\"index\":0,\"delta\":{%s\"content\":\"t=%018llu \"},\"finish_reason\":null}]}", role, (unsigned long long)now_ns());
    send_event(connection->fd, rest);
    connection->events_left--;
    connection->due_ns += gap_ns;
    return;
  }
  static const char last[] = "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n";
  send_event(connection->fd, "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}");
  snprintf(rest, sizeof rest, "\"choices\":[],\"usage\":{\"prompt_tokens\":161,\"completion_tokens\":%d,\"total_tokens\":%d}}", events_per_stream, 161 + events_per_stream);
  send_event(connection->fd, rest);
  send_all(connection->fd, last, sizeof last - 1);
  connection->streaming = false;
  streaming--;
}

/* Bytes of a chunked body, its end included; 0 while it is not whole. */
static size_t chunked_length(const char *body, const char *end) {
  for (const char *at = body; at < end;) {
    char *after;
    size_t size = strtoul(at, &after, 16);
    const char *line_end = memmem(at, (size_t)(end - at), "\r\n", 2);
    if (!line_end || after == at || (size_t)(end - line_end) < size + 4) return 0;
    at = line_end + 2 + size + 2;
    if (!size) return (size_t)(at - body);
  }
  return 0;
}

static bool asks_for_stream(const char *body) {
  const char *at = strstr(body, "\"stream\"");
  if (!at) return false;
  at += strlen("\"stream\"");
  return !strncmp(at + strspn(at, " :"), "true", 4);
}

/* Answer every whole request that has arrived; those behind a stream wait for its end. */
static void answer_all(Connection *connection) {
  while (connection->length && !connection->streaming) {
    char *request = connection->arrived, *end = request + connection->length;
    *end = 0;
    char *head_end = strstr(request, "\r\n\r\n");
    if (!head_end) return;
    char *body = head_end + 4;
    *head_end = 0; /* so that no field is looked for in the body */
    const char *sized = strcasestr(request, "\r\ncontent-length:");
    bool chunked = !sized && strcasestr(request, "\r\ntransfer-encoding:"), waits = strcasestr(request, "\r\nexpect:") && body == end;
    bool chat = !strncmp(request, "POST ", 5) && strstr(request, "/chat/completions");
    size_t length = sized ? strtoul(sized + strlen("\r\ncontent-length:"), NULL, 10) : chunked ? chunked_length(body, end) : 0;
    *head_end = '\r';
    if (waits) send_all(connection->fd, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    if ((size_t)(end - body) < length || (chunked && !length)) return;
    char kept = body[length];
    body[length] = 0;
    bool stream = chat && asks_for_stream(body);
    body[length] = kept;
    connection->length = (size_t)(end - body) - length;
    memmove(request, body + length, connection->length);
    if (stream) begin_stream(connection);
    else if (chat) send_completion(connection->fd);
    else send_json(connection->fd, "{\"object\":\"list\",\"data\":[{\"id\":\"mock-model\",\"object\":\"model\",\"created\":1700000000,\"owned_by\":\"bench\"}]}");
  }
}

static void drop(Connection *connection) {
  streaming -= connection->streaming;
  connections[connection->fd] = NULL;
  close(connection->fd);
  free(connection);
}

static void read_from(Connection *connection) {
  size_t room = MOST_REQUEST_BYTES - connection->length;
  ssize_t got = recv(connection->fd, connection->arrived + connection->length, room, 0);
  if (got > 0) {
    connection->length += (size_t)got;
    answer_all(connection);
  } else if (got == 0 || errno != EAGAIN) {
    drop(connection);
  }
}

static void accept_all(int listener, int poller) {
  int fd, on = 1;
  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
    Connection *connection = fd < MOST_FILES ? malloc(sizeof *connection) : NULL;
    if (!connection) {
      close(fd);
      continue;
    }
    connection->fd = fd, connection->length = 0, connection->streaming = false;
    connections[fd] = connection;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event interest = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &interest);
  }
}

/* Send what is due; nanoseconds until the next is. */
static uint64_t send_due(void) {
  uint64_t now = now_ns(), next = now + 1000000000u;
  for (int fd = 0, seen = 0; fd < MOST_FILES && seen < streaming; fd++) {
    Connection *connection = connections[fd];
    if (!connection || !connection->streaming) continue;
    seen++;
    while (connection->streaming && connection->due_ns <= now) next_event(connection);
    if (!connection->streaming) {
      seen--;
      answer_all(connection);
    } else if (connection->due_ns < next) next = connection->due_ns;
  }
  return next - now;
}

int main(int count, char **given) {
  if (count != 4) return fprintf(stderr, "usage: upstream PORT CHUNKS GAP_US\n"), 2;
  events_per_stream = atoi(given[2]);
  gap_ns = strtoull(given[3], NULL, 10) * 1000;
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), poller = epoll_create1(0), on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(given[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1024)) return perror("upstream"), 1;
  struct epoll_event interest = {.events = EPOLLIN, .data.fd = listener}, events[64];
  epoll_ctl(poller, EPOLL_CTL_ADD, listener, &interest);
  for (;;) {
    uint64_t wait_ns = streaming ? send_due() : 1000000000u;
    struct timespec timeout = {.tv_sec = (time_t)(wait_ns / 1000000000u), .tv_nsec = (long)(wait_ns % 1000000000u)};
    int ready = epoll_pwait2(poller, events, 64, &timeout, NULL);
    for (int i = 0; i < ready; i++) {
      int fd = events[i].data.fd;
      if (fd == listener) accept_all(listener, poller);
      else if (connections[fd]) read_from(connections[fd]);
    }
  }
}
