#include "configure.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <urcu/urcu-qsbr.h>

#include "base/log.h"
#include "clock.h"

enum {
    SAVED_STALE_MS = 60000, /* so long a caller may ask what became of its save */
    TEXT_MAX = 1 << 30,     /* octets of a file */
    HISTORY_FILE_MAX = 256 << 20,
};

/* What is no longer in force, until no worker reads it. */
struct retired {
    struct rcu_head head;
    struct retired *next;
    struct policy *policy;
    struct config *config;
};

/* One file to be written. Guarded by the mutex, text while it is being written by the thread. */
struct task {
    char path[PATH_MAX];
    mode_t mode; /* of a new file */
    char *next;  /* text to be written; NULL: nothing */
    bool busy;
    int result;
};

enum {
    TASK_CONFIG,
    TASK_HISTORY,
    TASK_COUNT
};

struct configure {
    struct config **config;
    struct server *server;
    char *history; /* as read at start */
    bool news;
    struct retired *retired; /* newest first */
    char *saved;             /* text of the last save */
    msec_t saved_ms;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool stop;
    struct task tasks[TASK_COUNT];
};

static int write_all(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, text, size);

        if (written < 0 && errno != EINTR) {
            return -errno;
        }
        if (written > 0) {
            text += written;
            size -= (size_t)written;
        }
    }
    return 0;
}

/* The folder's entry is on disk, too. */
static int folder_sync(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int fd, r;

    (void)snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) + 1 : 1,
                   slash ? path : ".");
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    r = fd < 0 || fsync(fd) ? -errno : 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    return r;
}

/* Replaces the file by one with the text: whole or not at all. Owner and mode stay. */
static int file_replace(const char *name, mode_t mode, const char *text)
{
    char path[PATH_MAX], next[PATH_MAX + 8];
    struct stat old;
    int fd, r;

    if (realpath(name, path) == NULL) {
        if (errno != ENOENT) {
            return -errno;
        }
        (void)snprintf(path, sizeof(path), "%s", name);
    }
    (void)snprintf(next, sizeof(next), "%s.new", path);
    (void)unlink(next); /* of a run that ended in the middle */
    fd = open(next, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return -errno;
    }
    if (stat(path, &old) == 0) {
        mode = old.st_mode & 07777;
        (void)!fchown(fd, old.st_uid, old.st_gid);
    }
    r = fchmod(fd, mode) ? -errno : 0;
    r = r ? r : write_all(fd, text, strlen(text));
    r = r || fsync(fd) == 0 ? r : -errno;
    r = close(fd) && r == 0 ? -errno : r;
    r = r || rename(next, path) == 0 ? r : -errno;
    if (r) {
        (void)unlink(next);
        return r;
    }
    return folder_sync(path);
}

static struct task *task_next(struct configure *configure)
{
    for (unsigned i = 0; i < TASK_COUNT; i++) {
        if (configure->tasks[i].next) {
            return &configure->tasks[i];
        }
    }
    return NULL;
}

static void *writer_main(void *arg)
{
    struct configure *configure = arg;

    (void)pthread_mutex_lock(&configure->mutex);
    for (;;) {
        struct task *task = task_next(configure);
        char *text;
        int r;

        if (task == NULL && configure->stop) {
            break;
        }
        if (task == NULL) {
            (void)pthread_cond_wait(&configure->wake, &configure->mutex);
            continue;
        }
        text = task->next;
        task->next = NULL;
        (void)pthread_mutex_unlock(&configure->mutex);
        r = file_replace(task->path, task->mode, text);
        free(text);
        if (r) {
            log_error("%s cannot be written: %s", task->path, strerror(-r));
        }
        (void)pthread_mutex_lock(&configure->mutex);
        task->busy = task->next != NULL;
        task->result = r;
    }
    (void)pthread_mutex_unlock(&configure->mutex);
    return NULL;
}

/* text: taken. A text that still waits is replaced. */
static void task_give(struct configure *configure, unsigned index, char *text)
{
    struct task *task = &configure->tasks[index];

    (void)pthread_mutex_lock(&configure->mutex);
    free(task->next);
    task->next = text;
    task->busy = true;
    (void)pthread_cond_signal(&configure->wake);
    (void)pthread_mutex_unlock(&configure->mutex);
}

/* The whole file as malloced text. */
static int text_read(const char *path, off_t size_max, char **ret_text)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), r = 0;
    struct stat status;
    size_t size = 0, want;
    char *text = NULL;

    if (fd < 0) {
        return -errno;
    }
    if (fstat(fd, &status) || status.st_size > size_max) {
        r = status.st_size > size_max ? -EFBIG : -errno;
    } else {
        text = malloc((size_t)status.st_size + 1);
        r = text ? 0 : -ENOMEM;
    }
    want = text ? (size_t)status.st_size : 0;
    while (r == 0 && size < want) {
        ssize_t got = read(fd, text + size, want - size);

        r = got < 0 && errno != EINTR ? -errno : got == 0 ? -EIO : 0;
        size += got > 0 ? (size_t)got : 0;
    }
    (void)close(fd);
    if (r) {
        free(text);
        return r;
    }
    text[size] = '\0';
    *ret_text = text;
    return 0;
}

int configure_new(const char *path, struct config **config, struct server *server,
                  struct configure **ret_configure)
{
    struct configure *configure = calloc(1, sizeof(*configure));
    struct task *history;
    int r;

    if (configure == NULL) {
        return -ENOMEM;
    }
    history = &configure->tasks[TASK_HISTORY];
    configure->config = config;
    configure->server = server;
    configure->tasks[TASK_CONFIG].mode = 0640;
    history->mode = 0600; /* it holds what the configuration keeps secret */
    (void)snprintf(configure->tasks[TASK_CONFIG].path, PATH_MAX, "%s", path);
    (void)snprintf(history->path, PATH_MAX, "%s/config-history.json", (*config)->state_dir);
    r = text_read(history->path, HISTORY_FILE_MAX, &configure->history);
    if (r && r != -ENOENT) {
        log_warn("%s: %s: the history of configurations begins anew", history->path, strerror(-r));
    }
    (void)pthread_mutex_init(&configure->mutex, NULL);
    (void)pthread_cond_init(&configure->wake, NULL);
    r = -pthread_create(&configure->thread, NULL, writer_main, configure);
    if (r) {
        free(configure->history);
        free(configure);
        return r;
    }
    *ret_configure = configure;
    return 0;
}

static void retired_free(struct rcu_head *head)
{
    struct retired *retired =
        (struct retired *)(void *)((char *)head - offsetof(struct retired, head));

    policy_free(retired->policy);
    config_free(retired->config);
    free(retired);
}

void configure_free(struct configure *configure)
{
    if (configure == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&configure->mutex);
    configure->stop = true;
    (void)pthread_cond_signal(&configure->wake);
    (void)pthread_mutex_unlock(&configure->mutex);
    (void)pthread_join(configure->thread, NULL);
    (void)pthread_mutex_destroy(&configure->mutex);
    (void)pthread_cond_destroy(&configure->wake);
    configure_retire(configure);
    urcu_qsbr_barrier();
    free(configure->history);
    free(configure->saved);
    free(configure);
}

static void log_level_apply(const struct config *config)
{
    enum log_level level;

    if (config->log_level && log_level_parse(config->log_level, &level)) {
        log_level_set(level);
    }
}

static int apply(void *ctx, struct config *config)
{
    struct configure *configure = ctx;
    struct retired *retired = calloc(1, sizeof(*retired));
    int r = retired ? server_apply(configure->server, config, &retired->policy) : -ENOMEM;

    if (r) {
        free(retired);
        return r;
    }
    retired->config = *configure->config;
    retired->next = configure->retired;
    configure->retired = retired;
    *configure->config = config;
    configure->news = true;
    log_level_apply(config);
    for (unsigned i = 0; i < config->warning_count; i++) {
        log_warn("%s:%u: %s: %s", config->warnings[i].file, config->warnings[i].line,
                 config->warnings[i].pointer, config->warnings[i].text);
    }
    return 0;
}

static int read_file(void *ctx, char **ret_text)
{
    return text_read(((struct configure *)ctx)->tasks[TASK_CONFIG].path, TEXT_MAX, ret_text);
}

static int save(void *ctx, const char *text)
{
    struct configure *configure = ctx;
    struct task *task = &configure->tasks[TASK_CONFIG];
    bool same = configure->saved && strcmp(configure->saved, text) == 0 &&
                clock_mono_ms() - configure->saved_ms < SAVED_STALE_MS;
    char *copy, *saved;
    bool busy;
    int r;

    (void)pthread_mutex_lock(&configure->mutex);
    busy = task->busy;
    r = task->result;
    (void)pthread_mutex_unlock(&configure->mutex);
    if (busy) {
        return -EINPROGRESS; /* another text goes first */
    }
    if (same) {
        free(configure->saved);
        configure->saved = NULL;
        return r;
    }
    copy = strdup(text);
    saved = strdup(text);
    if (copy == NULL || saved == NULL) {
        free(copy);
        free(saved);
        return -ENOMEM;
    }
    free(configure->saved);
    configure->saved = saved;
    configure->saved_ms = clock_mono_ms();
    task_give(configure, TASK_CONFIG, copy);
    return -EINPROGRESS;
}

static void history_save(void *ctx, char *text)
{
    task_give(ctx, TASK_HISTORY, text);
}

void configure_env(struct configure *configure, struct methods_env *env)
{
    env->config_path = configure->tasks[TASK_CONFIG].path;
    env->config_apply = apply;
    env->config_read = read_file;
    env->config_save = save;
    env->history_save = history_save;
    env->history = configure->history;
    env->config_ctx = configure;
}

const struct config *configure_news(struct configure *configure)
{
    bool news = configure->news;

    configure->news = false;
    return news ? *configure->config : NULL;
}

void configure_retire(struct configure *configure)
{
    while (configure->retired) {
        struct retired *retired = configure->retired;

        configure->retired = retired->next;
        urcu_qsbr_call_rcu(&retired->head, retired_free);
    }
}
