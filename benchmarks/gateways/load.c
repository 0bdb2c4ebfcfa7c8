/* Sends requests over HTTP/1.1, checks that the answers are whole, and times them. One thread.
 *
 *     load saturate CONNECTIONS SECONDS WARM_S TARGET
 *     load rate PER_SECOND SECONDS WARM_S TARGET...      an open loop: a request is sent when it is due, whatever is still unanswered
 *     load serial COUNT SECONDS WARM_S TARGET...         one at a time, COUNT to each target if SECONDS suffice
 *
 * TARGET is NAME,PORT,FILE,STAMPS: FILE holds a whole request, STAMPS is how many `t=` stamps of upstream.c an answer has. Several targets
 * take turns, so that whatever disturbs the machine disturbs all of them. Requests begun in the first WARM_S do not count.
 * Prints one line of JSON a target, times in microseconds. `chunk`: from the moment upstream.c wrote a stamp to its arrival here. Of those
 * that failed, `refused` were whole answers of status 429 that say when to come again; `unsent` were due while MOST_IN_FLIGHT were unanswered.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST_FILES = 4096, MOST_IN_FLIGHT = 1500, MOST_TARGETS = 4, MOST_HEAD_BYTES = 16384, READ_BYTES = 262144, STAMP_DIGITS = 18 };
static const uint64_t SECOND_NS = 1000000000u;

typedef struct {
  float *values;
  size_t count, room;
} Samples;

typedef struct Connection Connection;

typedef struct {
  char *name;
  int port, stamps;
  char *request;
  size_t request_bytes;
  Samples latency, first_byte, chunk, refusal;
  long ok, answered, failed, refused, unsent; /* `answered` has those of the warm-up, too */
  Connection *idle;
} Target;

typedef enum { HEAD, BODY, SIZE, DATA, DATA_END, TRAILER } State; /* SIZE and what follows: of a chunked body */

struct Connection {
  int fd;
  Target *target;
  Connection *next; /* of the target's idle ones */
  bool busy, counts, closes, comes_again;
  size_t sent;
  uint64_t began_ns, first_ns;
  State state;
  char head[MOST_HEAD_BYTES];
  size_t head_bytes, line_bytes;
  long left; /* of the body or the chunk; -1: until the connection ends */
  int status, stamps, matched;
  uint64_t stamp;
};

static Target targets[MOST_TARGETS];
static int target_count, poller, in_flight;
static Connection *connections[MOST_FILES];
static uint64_t warm_until_ns;

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

static _Noreturn void give_up(const char *why, const char *what) {
  fprintf(stderr, "load: %s: %s\n", what, why);
  exit(1);
}

static void add(Samples *samples, uint64_t from_ns, uint64_t to_ns) {
  if (samples->count == samples->room) {
    samples->room = samples->room ? 2 * samples->room : 4096;
    samples->values = realloc(samples->values, samples->room * sizeof *samples->values);
  }
  samples->values[samples->count++] = (float)((double)(int64_t)(to_ns - from_ns) / 1e3);
}

static void watch(Connection *connection, int operation, bool writable) {
  struct epoll_event interest = {.events = EPOLLIN | (writable ? EPOLLOUT : 0), .data.fd = connection->fd};
  epoll_ctl(poller, operation, connection->fd, &interest);
}

static Connection *dial(Target *target) {
  int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)target->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (fd < 0 || fd >= MOST_FILES || connect(fd, (struct sockaddr *)&address, sizeof address)) give_up(strerror(errno), target->name);
  fcntl(fd, F_SETFL, O_NONBLOCK);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  Connection *connection = calloc(1, sizeof *connection);
  connection->fd = fd, connection->target = target;
  connections[fd] = connection;
  watch(connection, EPOLL_CTL_ADD, false);
  return connection;
}

static void drop(Connection *connection) {
  for (Connection **at = &connection->target->idle; *at; at = &(*at)->next)
    if (*at == connection) {
      *at = connection->next;
      break;
    }
  connections[connection->fd] = NULL;
  close(connection->fd);
  free(connection);
}

/* Send what the socket takes; whether that is all of it. A failure shows at the next read. */
static bool send_rest(Connection *connection) {
  Target *target = connection->target;
  while (connection->sent < target->request_bytes) {
    ssize_t sent = send(connection->fd, target->request + connection->sent, target->request_bytes - connection->sent, MSG_NOSIGNAL);
    if (sent < 0) return errno != EAGAIN;
    connection->sent += (size_t)sent;
  }
  return true;
}

static void begin(Connection *connection) {
  connection->busy = true, connection->closes = false, connection->sent = connection->head_bytes = 0;
  connection->state = HEAD, connection->status = connection->stamps = connection->matched = 0, connection->first_ns = 0;
  connection->began_ns = now_ns();
  connection->counts = connection->began_ns >= warm_until_ns;
  in_flight++;
  if (!send_rest(connection)) watch(connection, EPOLL_CTL_MOD, true);
}

static void begin_anew(Target *target) {
  Connection *connection = target->idle;
  if (in_flight >= MOST_IN_FLIGHT) {
    target->unsent += now_ns() >= warm_until_ns;
    return;
  }
  if (connection) target->idle = connection->next;
  else connection = dial(target);
  connection->next = NULL;
  begin(connection);
}

static void end(Connection *connection, uint64_t at_ns, bool whole) {
  Target *target = connection->target;
  connection->busy = false;
  in_flight--;
  bool good = whole && connection->status == 200 && connection->stamps == target->stamps;
  if (!good && !target->failed)
    fprintf(stderr, "load: %s: first failure: %s, status %d, %d stamps of %d\n", target->name, whole ? "whole" : "cut", connection->status, connection->stamps, target->stamps);
  if (!good) target->failed++; /* also while warming up: a gateway that fails then is not measured as if it had not */
  target->answered += good;
  bool refused = whole && connection->status == 429 && connection->comes_again;
  target->refused += refused;
  if (refused && connection->counts) add(&target->refusal, connection->began_ns, at_ns);
  if (good && connection->counts) {
    target->ok++;
    add(&target->latency, connection->began_ns, at_ns);
    add(&target->first_byte, connection->began_ns, connection->first_ns);
  }
}

/* Find `t=` and 18 digits, wherever pieces begin and end. */
static void look_for_stamps(Connection *connection, const char *piece, size_t length, uint64_t at_ns) {
  for (const char *at = piece, *last = piece + length; at < last; at++) {
    if (!connection->matched && !(at = memchr(at, 't', (size_t)(last - at)))) return;
    bool digit = *at >= '0' && *at <= '9';
    if (connection->matched == 1 && *at == '=') connection->matched = 2, connection->stamp = 0;
    else if (connection->matched >= 2 && digit) {
      connection->stamp = connection->stamp * 10 + (uint64_t)(*at - '0');
      if (++connection->matched < 2 + STAMP_DIGITS) continue;
      if (connection->counts) add(&connection->target->chunk, connection->stamp, at_ns);
      connection->stamps++, connection->matched = 0;
    } else connection->matched = *at == 't';
  }
}

static const char *field(const char *head, const char *name) {
  const char *found = strcasestr(head, name);
  return found ? found + strlen(name) + strspn(found + strlen(name), " ") : NULL;
}

/* Take what of a piece belongs to the head; bytes taken. */
static size_t read_head(Connection *connection, const char *piece, size_t length) {
  size_t before = connection->head_bytes, room = MOST_HEAD_BYTES - 1 - before, taken = length < room ? length : room;
  memcpy(connection->head + before, piece, taken);
  connection->head[connection->head_bytes += taken] = 0;
  char *head_end = strstr(connection->head, "\r\n\r\n");
  if (!head_end) {
    if (taken < length) give_up("more than 16 kB of headers", connection->target->name);
    return taken;
  }
  head_end[2] = 0;
  const char *sized = field(connection->head, "\r\ncontent-length:"), *coding = field(connection->head, "\r\ntransfer-encoding:");
  const char *kept = field(connection->head, "\r\nconnection:");
  connection->status = atoi(connection->head + strlen("HTTP/1.1 "));
  connection->comes_again = field(connection->head, "\r\nretry-after:");
  connection->closes = kept && !strncasecmp(kept, "close", 5);
  connection->left = sized ? atol(sized) : -1;
  connection->state = coding && !strncasecmp(coding, "chunked", 7) ? SIZE : BODY;
  if (connection->state == SIZE) connection->left = 0;
  return (size_t)(head_end + 4 - connection->head) - before;
}

/* Take one part of a chunked body: a byte of framing, or data; bytes taken. */
static size_t read_chunked(Connection *connection, const char *piece, size_t length, uint64_t at_ns) {
  size_t taken = 1;
  char byte = *piece;
  if (connection->state == DATA) {
    taken = length < (size_t)connection->left ? length : (size_t)connection->left;
    look_for_stamps(connection, piece, taken, at_ns);
    if (!(connection->left -= (long)taken)) connection->state = DATA_END;
  } else if (connection->state == SIZE) {
    if (byte == '\n') connection->state = connection->left ? DATA : TRAILER, connection->line_bytes = 0;
    else if (byte != '\r') connection->left = connection->left * 16 + (byte <= '9' ? byte - '0' : (byte | 32) - 'a' + 10);
  } else if (connection->state == DATA_END) {
    if (byte == '\n') connection->state = SIZE;
  } else if (byte != '\n') connection->line_bytes += byte != '\r';
  else if (connection->line_bytes) connection->line_bytes = 0;
  else connection->left = -1; /* the end */
  return taken;
}

/* Take a piece of an answer; whether the answer is whole. */
static bool read_piece(Connection *connection, const char *piece, size_t length, uint64_t at_ns) {
  const char *last = piece + length;
  if (connection->state == HEAD) piece += read_head(connection, piece, length);
  if (connection->state == HEAD) return false;
  if (piece < last && !connection->first_ns) connection->first_ns = at_ns;
  if (connection->state == BODY) {
    look_for_stamps(connection, piece, (size_t)(last - piece), at_ns);
    if (connection->left < 0) return false;
    return (connection->left -= last - piece) <= 0;
  }
  while (piece < last) {
    piece += read_chunked(connection, piece, (size_t)(last - piece), at_ns);
    if (connection->left < 0) return true;
  }
  return false;
}

/* Read once; the target whose answer ended, if one did. Its connection is idle then, or gone. */
static Target *read_from(Connection *connection) {
  static char piece[READ_BYTES];
  ssize_t got = recv(connection->fd, piece, sizeof piece, 0);
  uint64_t at_ns = now_ns();
  if (got < 0 && errno == EAGAIN) return NULL;
  Target *target = connection->target, *ended = connection->busy ? target : NULL;
  if (got <= 0) {
    if (ended) end(connection, at_ns, !got && connection->state == BODY && connection->left < 0);
    drop(connection);
    return ended;
  }
  if (!ended) give_up("sent something that nobody asked for", target->name);
  if (!read_piece(connection, piece, (size_t)got, at_ns)) return NULL;
  end(connection, at_ns, true);
  if (connection->closes) drop(connection);
  else connection->next = target->idle, target->idle = connection;
  return target;
}

static int ascending(const void *a, const void *b) {
  float left = *(const float *)a, right = *(const float *)b;
  return (left > right) - (left < right);
}

static void print_samples(const char *name, Samples *samples) {
  size_t n = samples->count;
  if (!n) return;
  qsort(samples->values, n, sizeof *samples->values, ascending);
  printf(", \"%s\": {\"count\": %zu, \"p50\": %.1f, \"p99\": %.1f}", name, n, samples->values[(n - 1) / 2], samples->values[(n - 1) * 99 / 100]);
}

static void add_target(char *given) {
  Target *target = &targets[target_count++];
  target->name = strsep(&given, ",");
  char *port = strsep(&given, ","), *file = strsep(&given, ",");
  if (!file || !given) give_up("a target is NAME,PORT,FILE,STAMPS", target->name);
  target->port = atoi(port), target->stamps = atoi(given);
  FILE *request = fopen(file, "rb");
  if (!request) give_up(strerror(errno), file);
  target->request = malloc(1 << 22);
  target->request_bytes = fread(target->request, 1, 1 << 22, request);
  fclose(request);
}

int main(int count, char **given) {
  if (count < 6 || count - 5 > MOST_TARGETS) return fprintf(stderr, "usage: load saturate|rate|serial NUMBER SECONDS WARM_S TARGET...\n"), 2;
  bool saturate = !strcmp(given[1], "saturate"), rate = !strcmp(given[1], "rate");
  double number = atof(given[2]), seconds = atof(given[3]), warm_s = atof(given[4]);
  for (int i = 5; i < count; i++) add_target(given[i]);
  poller = epoll_create1(0);
  warm_until_ns = now_ns() + (uint64_t)(warm_s * 1e9);
  uint64_t end_ns = warm_until_ns + (uint64_t)(seconds * 1e9), due_ns = now_ns(), now, ended_ns;
  uint64_t gap_ns = rate ? (uint64_t)(1e9 / (number * target_count)) : 0;
  long turn = 0, wanted = rate || saturate ? -1 : (long)number;
  for (int i = 0; i < (saturate ? (int)number : !rate); i++) begin(dial(&targets[0]));
  while ((now = now_ns()) < end_ns || (rate && in_flight && now < end_ns + 5 * SECOND_NS)) {
    for (; rate && due_ns <= now && due_ns < end_ns; due_ns += gap_ns) begin_anew(&targets[turn++ % target_count]);
    uint64_t wait_ns = rate && due_ns > now ? due_ns - now : 100000000u;
    struct timespec timeout = {.tv_sec = (time_t)(wait_ns / SECOND_NS), .tv_nsec = (long)(wait_ns % SECOND_NS)};
    struct epoll_event events[256];
    int ready = epoll_pwait2(poller, events, 256, &timeout, NULL);
    for (int i = 0; i < ready; i++) {
      Connection *connection = connections[events[i].data.fd];
      if (!connection) continue;
      if (events[i].events & EPOLLOUT && send_rest(connection)) watch(connection, EPOLL_CTL_MOD, false);
      if (!(events[i].events & ~(uint32_t)EPOLLOUT)) continue;
      Target *target = read_from(connection);
      if (target && saturate) begin_anew(target);
      else if (target && !rate) begin_anew(&targets[++turn % target_count]);
    }
    if (targets[target_count - 1].ok == wanted) break;
  }
  ended_ns = now < end_ns ? now_ns() : end_ns;
  for (int i = 0; i < target_count; i++) {
    Target *target = &targets[i];
    double measured_s = (double)(ended_ns - warm_until_ns) / 1e9;
    printf("{\"name\": \"%s\", \"ok\": %ld, \"answered\": %ld, \"failed\": %ld, \"refused\": %ld, \"unsent\": %ld, \"unanswered\": %d, \"per_s\": %.1f", target->name,
           target->ok, target->answered, target->failed, target->refused, target->unsent, in_flight, (double)target->ok / measured_s);
    print_samples("latency", &target->latency);
    print_samples("first_byte", &target->first_byte);
    print_samples("chunk", &target->chunk);
    print_samples("refusal", &target->refusal);
    printf("}\n");
  }
}
