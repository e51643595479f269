/* Transfers between five accounts of one partition: bank BROKER TOPIC NAME COUNT. */
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static rd_kafka_t *consumer, *producer;
static const char *topic;
static int balances[6];        /* folded from the log; the last is cash */
static int64_t next_offset;    /* all before it is folded */
static int refused;
static rd_kafka_resp_err_t verdict;

static void die(const char *what) {
  fprintf(stderr, "%s\n", what);
  exit(1);
}

static rd_kafka_t *client(rd_kafka_type_t type, const char *broker, const char *(*settings)[2],
                          void (*report)(rd_kafka_t *, const rd_kafka_message_t *, void *)) {
  char why[512];
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  rd_kafka_conf_set(conf, "bootstrap.servers", broker, why, sizeof why);
  for (; (*settings)[0]; settings++)
    if (rd_kafka_conf_set(conf, (*settings)[0], (*settings)[1], why, sizeof why)) die(why);
  if (report) rd_kafka_conf_set_dr_msg_cb(conf, report);
  rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof why);
  if (!rk) die(why);
  return rk;
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque) { verdict = m->err; }

static int account(const char *name) { return name[0] == 'a' ? name[1] - '0' : 5; }

/* Reads up to the end, and writes the basis: the last offset that was read. */
static void catch_up(char *basis, size_t size) {
  int64_t low, high;
  if (rd_kafka_query_watermark_offsets(consumer, topic, 0, &low, &high, 10000)) die("no end");
  if (low > next_offset) die("the log was cut: balances cannot be folded from what is left");
  while (next_offset < high) {
    rd_kafka_message_t *m = rd_kafka_consumer_poll(consumer, 1000);
    char text[64], from[8], to[8];
    int amount;
    snprintf(text, sizeof text, "%.*s", m && !m->err ? (int)m->len : 0, m ? (char *)m->payload : "");
    if (sscanf(text, "%7s %7s %d", from, to, &amount) == 3) {
      balances[account(from)] -= amount;
      balances[account(to)] += amount;
      next_offset = m->offset + 1;
    }
    if (m) rd_kafka_message_destroy(m);
  }
  if (next_offset == 0) snprintf(basis, size, "none");
  else snprintf(basis, size, "%" PRId64, next_offset - 1);
}

/* Appends an entry unless a lock was written since the basis; 0: it was. */
static int append(const char *entry, const char *locks, const char *basis, const char *id) {
  rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(0), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                    RD_KAFKA_V_VALUE((void *)entry, strlen(entry)), RD_KAFKA_V_HEADER("lock-write", locks, -1),
                    RD_KAFKA_V_HEADER("lock-basis", basis, -1), RD_KAFKA_V_HEADER("lock-id", id, -1), RD_KAFKA_V_END);
  rd_kafka_flush(producer, 30000); /* one record under way at a time: a refusal is the whole batch's */
  if (!verdict) return 1;
  if (verdict != RD_KAFKA_RESP_ERR_POLICY_VIOLATION) die(rd_kafka_err2str(verdict));
  if (refused++ == 0) fprintf(stderr, "the first refusal: %s\n", rd_kafka_err2str(verdict));
  return 0;
}

int main(int argc, char **argv) {
  static const char *reading[][2] = {{"group.id", "bank"}, {"enable.auto.commit", "false"}, {0}};
  static const char *writing[][2] = {{"enable.idempotence", "true"}, {"linger.ms", "0"}, {0}};
  char entry[64], locks[64], basis[32], id[64];
  if (argc != 5) die("bank BROKER TOPIC NAME COUNT");
  topic = argv[2];
  srand(time(NULL));
  consumer = client(RD_KAFKA_CONSUMER, argv[1], reading, NULL);
  producer = client(RD_KAFKA_PRODUCER, argv[1], writing, on_delivery);
  rd_kafka_topic_partition_list_t *log = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(log, topic, 0)->offset = RD_KAFKA_OFFSET_BEGINNING;
  rd_kafka_assign(consumer, log);
  for (int i = 0; i < 5; i++) { /* whoever comes first opens the account */
    snprintf(entry, sizeof entry, "cash a%d 100", i), snprintf(locks, sizeof locks, "acct:a%d", i);
    snprintf(id, sizeof id, "%s-open-%d", argv[3], i), append(entry, locks, "none", id);
  }
  refused = 0;
  for (int done = 0; done < atoi(argv[4]);) {
    catch_up(basis, sizeof basis);
    int from = rand() % 5, to = (from + 1 + rand() % 4) % 5, amount = 1 + rand() % 30;
    if (balances[from] < amount) continue;
    snprintf(entry, sizeof entry, "a%d a%d %d", from, to, amount), snprintf(locks, sizeof locks, "acct:a%d acct:a%d", from, to);
    snprintf(id, sizeof id, "%s-%d", argv[3], done), done += append(entry, locks, basis, id);
  }
  catch_up(basis, sizeof basis);
  int total = balances[0] + balances[1] + balances[2] + balances[3] + balances[4];
  printf("%s: %s transfers, %d refused, total %d\n", argv[3], argv[4], refused, total);
  return 0;
}
