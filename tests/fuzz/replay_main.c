/* Runs a fuzz target over saved inputs without libFuzzer, so that every ordinary build replays the
 * corpora. Arguments are files and folders (their files, not their subfolders). Each input runs in
 * a process of its own: one that crashes is one failure, named, and the others still run. */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    REPLAY_PATH_MAX = 4096,
    REPLAY_INPUT_MAX = 16 << 20, /* octets; a seed larger than this is a mistake */
};

struct replay {
    unsigned passed, failed;
};

/* The whole file in a block of exactly its size, so that ASan sees a read past its end; NULL if it
 * cannot be read. */
static uint8_t *input_read(const char *path, size_t *ret_size)
{
    FILE *file = fopen(path, "rb");
    struct stat status;
    uint8_t *data = NULL;
    size_t size = 0;

    if (file == NULL) {
        return NULL;
    }
    if (fstat(fileno(file), &status) == 0 && status.st_size <= REPLAY_INPUT_MAX) {
        size = (size_t)status.st_size;
        data = malloc(size);
        if (data != NULL && fread(data, 1, size, file) != size) {
            free(data);
            data = NULL;
        }
    }
    (void)fclose(file);
    *ret_size = size;
    return data;
}

/* In the child: the sanitizers' leak check runs at exit, as it does under libFuzzer. */
static int input_run(const char *path)
{
    size_t size = 0;
    uint8_t *data = input_read(path, &size);
    int status;

    if (data == NULL) {
        perror(path);
        return 1;
    }
    status = LLVMFuzzerTestOneInput(data, size);
    free(data);
    return status;
}

static void file_replay(struct replay *replay, const char *path)
{
    int status = 0;
    pid_t child;

    (void)fflush(NULL);
    child = fork();
    if (child == 0) {
        exit(input_run(path));
    }
    if (child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
        WEXITSTATUS(status) == 0) {
        replay->passed++;
    } else {
        printf("FAIL %s\n", path);
        replay->failed++;
    }
}

static void folder_replay(struct replay *replay, const char *path)
{
    DIR *folder = opendir(path);
    const struct dirent *entry;
    char name[REPLAY_PATH_MAX];
    struct stat status;

    if (folder == NULL) {
        perror(path);
        replay->failed++;
        return;
    }
    while ((entry = readdir(folder)) != NULL) {
        int length = snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);

        if (length > 0 && (size_t)length < sizeof(name) && stat(name, &status) == 0 &&
            S_ISREG(status.st_mode)) {
            file_replay(replay, name);
        }
    }
    (void)closedir(folder);
}

int main(int argc, char **argv)
{
    struct replay replay = {0, 0};
    struct stat status;

    for (int i = 1; i < argc; i++) {
        if (stat(argv[i], &status) == 0 && S_ISDIR(status.st_mode)) {
            folder_replay(&replay, argv[i]);
        } else {
            file_replay(&replay, argv[i]);
        }
    }
    if (replay.passed + replay.failed == 0) {
        printf("no inputs\n");
        replay.failed = 1; /* an empty corpus tests nothing and must not look green */
    }
    printf("%u passed, %u failed\n", replay.passed, replay.failed);
    return replay.failed != 0;
}
